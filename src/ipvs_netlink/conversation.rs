// SPDX-License-Identifier: GPL-2.0-only
//! Requests over one socket: sequence numbers, acknowledgements, dumps of several
//! datagrams. `answer.rs` reads what comes back.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_ALIGNTO, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use nix::errno::Errno;

use super::answer::{Answer, split};
use super::error::Failure;
use super::socket::Transport;

/// The kernel makes a dump's datagram as large as the largest receive buffer it has seen,
/// but at most 32 KiB (`netlink_dump()`).
pub const DATAGRAM: usize = 64 << 10;

/// The number of attempts for a question if its answer is lost or inconsistent.
pub const TRIES: usize = 3;

pub struct Conversation<T> {
    transport: T,
    sequence: u32,
    requests: Vec<u8>,
    datagram: Vec<u8>,
    /// The size of the receive buffer from the second datagram on.
    room: usize,
    /// The largest buffer that the kernel has seen. 0: none yet.
    seen: usize,
}

/// The kind of a question.
#[derive(Clone, Copy)]
pub enum Question {
    /// Asks about one object: one message, then the acknowledgement.
    One,
    /// Asks about all objects: `NLM_F_DUMP`, any number of messages, then `NLMSG_DONE`.
    /// Only for dumps that always fit in one datagram. [`super::listing`] handles the
    /// others.
    Dump,
}

impl<T: Transport> Conversation<T> {
    pub fn over(transport: T) -> Self {
        Conversation {
            transport,
            sequence: 0,
            requests: Vec::new(),
            datagram: Vec::with_capacity(DATAGRAM),
            room: DATAGRAM,
            seen: 0,
        }
    }

    /// Opens another conversation with the same kernel. The kernel makes the first
    /// datagram of a dump in its minimum size. It makes the next one as large as the
    /// `first` buffer, and those after it as large as the `later` ones.
    pub fn another(&self, first: usize, later: usize) -> Result<Self, Failure> {
        Ok(Conversation {
            transport: self.transport.another().map_err(Failure::Socket)?,
            sequence: self.sequence,
            requests: Vec::new(),
            datagram: Vec::with_capacity(first),
            room: later,
            seen: 0,
        })
    }

    /// Asks without changing anything. Asks again if the answer was lost.
    pub fn ask<Q, A, V>(
        &mut self,
        message: Q,
        question: Question,
        mut read: impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<Vec<V>, Failure>
    where
        Q: NetlinkSerializable,
        A: NetlinkDeserializable,
    {
        let flags = match question {
            Question::One => NLM_F_ACK,
            Question::Dump => NLM_F_DUMP,
        };
        let mut message = framed(message, flags);
        let mut tries = 1;
        loop {
            self.send(&mut message)?;
            match self.rest(Answer::to(message.header.sequence_number), &mut read) {
                Err(Failure::Lost | Failure::Inconsistent) if tries < TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// Asks for a change and waits for its acknowledgement. Never sends the request
    /// twice.
    pub fn change<Q>(&mut self, message: Q) -> Result<(), Failure>
    where
        Q: NetlinkSerializable + NetlinkDeserializable,
    {
        let mut message = framed(message, NLM_F_ACK);
        self.send(&mut message)?;
        self.rest(Answer::to(message.header.sequence_number), &mut |_: Q| {
            Ok(())
        })
        .map(drop)
    }

    /// Asks for several changes in one datagram. A change without a message has its
    /// failure as the result.
    ///
    /// The kernel processes all of them in order before `send` returns, even if one fails
    /// (`netlink_rcv_skb()`). It answers those that it refuses, and the last one because
    /// of `NLM_F_ACK`. So after the last answer, a change without an answer was carried
    /// out. If an answer was lost, the result of every change without an answer is
    /// unknown.
    pub fn change_many<Q>(&mut self, messages: Vec<Result<Q, Failure>>) -> Vec<Result<(), Failure>>
    where
        Q: NetlinkSerializable + NetlinkDeserializable,
    {
        let first = self.sequence.wrapping_add(1);
        let last = messages.iter().rposition(Result::is_ok);
        self.requests.clear();
        let mut results: Vec<Result<(), Failure>> = Vec::with_capacity(messages.len());
        for (index, message) in messages.into_iter().enumerate() {
            // Each message gets a number, even if it is not sent.
            self.sequence = self.sequence.wrapping_add(1);
            results.push(message.map(|message| {
                let flags = if Some(index) == last { NLM_F_ACK } else { 0 };
                let mut message = framed(message, flags);
                message.header.sequence_number = self.sequence;
                self.append(&message);
            }));
        }
        let Some(last) = last else {
            return results;
        };
        let unanswered = |fault: &dyn Fn() -> Failure, results: Vec<Result<(), Failure>>| {
            let failed = |result: Result<(), Failure>| result.and_then(|()| Err(fault()));
            results.into_iter().map(failed).collect()
        };
        if let Err(error) = self.send_requests() {
            let again = || io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0));
            return unanswered(&|| Failure::Socket(again()), results);
        }
        let mut lost = false;
        let mut ended = false;
        while !ended {
            match self.receive() {
                Ok(whole) => lost |= !whole,
                Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => {
                    lost = true;
                    continue;
                }
                Err(_) => {
                    lost = true;
                    break;
                }
            }
            for (sequence, message) in split(&self.datagram).map_while(Result::ok) {
                let index = sequence.wrapping_sub(first) as usize;
                let (Some(result), true) = (results.get_mut(index), index <= last) else {
                    continue;
                };
                let mut answer = Answer::<()>::to(sequence);
                answer.take_one::<Q>(message, &mut |_| Ok(()));
                if let (Some(fault), true) = (answer.fault, result.is_ok()) {
                    *result = Err(fault);
                }
                ended |= answer.ended && index == last;
            }
        }
        if lost {
            return unanswered(&|| Failure::Lost, results);
        }
        results
    }

    /// Begins a dump. The caller must read it to its end with [`Self::next`] or
    /// [`Self::rest`].
    pub fn begin<Q: NetlinkSerializable, V>(&mut self, message: Q) -> Result<Answer<V>, Failure> {
        let mut message = framed(message, NLM_F_DUMP);
        self.send(&mut message)?;
        Ok(Answer::to(message.header.sequence_number))
    }

    fn send<Q: NetlinkSerializable>(
        &mut self,
        message: &mut NetlinkMessage<Q>,
    ) -> Result<(), Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        message.header.sequence_number = self.sequence;
        self.requests.clear();
        self.append(message);
        self.send_requests().map_err(Failure::Socket)
    }

    fn append<Q: NetlinkSerializable>(&mut self, message: &NetlinkMessage<Q>) {
        let begin = self.requests.len();
        let end = begin + message.buffer_len();
        let aligned = end.next_multiple_of(NLMSG_ALIGNTO.into());
        self.requests.resize(aligned, 0);
        if let Some(place) = self.requests.get_mut(begin..end) {
            message.serialize(place);
        }
    }

    fn send_requests(&mut self) -> io::Result<()> {
        loop {
            match self.transport.send(&self.requests) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Reads the answer to its end, even after a fault: the kernel refuses a new dump
    /// while the previous one is not finished.
    pub fn rest<A, V>(
        &mut self,
        mut answer: Answer<V>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<Vec<V>, Failure>
    where
        A: NetlinkDeserializable,
    {
        while !answer.ended {
            self.next(&mut answer, read)?;
        }
        match answer.fault {
            Some(fault) => Err(fault),
            None => Ok(answer.values),
        }
    }

    /// Reads one datagram. An error ends the answer. Other faults are stored in it.
    pub fn next<A, V>(
        &mut self,
        answer: &mut Answer<V>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<Size, Failure>
    where
        A: NetlinkDeserializable,
    {
        let made_for = self.seen;
        match self.receive() {
            Ok(true) => {}
            Ok(false) => answer.fail(Failure::Lost),
            Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                Errno::ENOBUFS => {
                    answer.fail(Failure::Lost);
                    return Ok(Size::default());
                }
                // No more datagrams will come.
                Errno::EAGAIN => {
                    answer.ended = true;
                    return Err(answer.fault.take().unwrap_or(Failure::Lost));
                }
                _ => {
                    answer.ended = true;
                    return Err(Failure::Socket(error));
                }
            },
        }
        answer.take(&self.datagram, read);
        Ok(Size {
            length: self.datagram.len(),
            made_for,
        })
    }

    /// Returns true if the whole datagram was received. If not, the buffer is large
    /// enough for the next one.
    fn receive(&mut self) -> io::Result<bool> {
        self.seen = self.seen.max(self.datagram.capacity());
        let length = loop {
            match self.transport.receive(&mut self.datagram) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        // `reserve` counts the bytes that are already in the datagram.
        let have = self.datagram.len();
        self.datagram
            .reserve(length.max(self.room).saturating_sub(have));
        Ok(length <= have)
    }
}

fn framed<Q: NetlinkSerializable>(message: Q, flags: u16) -> NetlinkMessage<Q> {
    let mut message = NetlinkMessage::new(
        NetlinkHeader::default(),
        NetlinkPayload::InnerMessage(message),
    );
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    message
}

/// The size of a dump's datagram.
#[derive(Clone, Copy, Default)]
pub struct Size {
    pub length: usize,
    /// The largest buffer that the kernel had seen when it made the datagram. 0: none.
    pub made_for: usize,
}
