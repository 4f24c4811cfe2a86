// SPDX-License-Identifier: GPL-2.0-only
//! Requests and their answers: sequence numbers, acknowledgements, dumps of
//! many datagrams, and what can go wrong with each.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_ALIGNTO, NetlinkBuffer,
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use nix::errno::Errno;

use super::error::Failure;
use super::extended_ack;
use super::socket::Transport;

/// A dump's datagram is as large as the largest buffer it was ever received
/// with, and never above 32 KiB (`netlink_dump()`).
const DATAGRAM: usize = 64 << 10;

/// The buffer of the first datagram in [`Conversation::another`].
pub const FIRST_DATAGRAM: usize = 16 << 10;

/// How often a question is asked whose answer was lost or disturbed.
pub const TRIES: usize = 3;

pub struct Conversation<T> {
    transport: T,
    sequence: u32,
    requests: Vec<u8>,
    datagram: Vec<u8>,
}

impl<T: Transport> Conversation<T> {
    pub fn over(transport: T) -> Self {
        Conversation {
            transport,
            sequence: 0,
            requests: Vec::new(),
            datagram: Vec::with_capacity(DATAGRAM),
        }
    }

    /// A conversation of its own with the same kernel, whose dumps are cut into
    /// datagrams at other places than those of a conversation that has begun:
    /// the first has the kernel's least size, the second that of our first
    /// buffer, the later ones the largest.
    pub fn another(&self) -> Result<Self, Failure> {
        Ok(Conversation {
            transport: self.transport.another().map_err(Failure::Socket)?,
            sequence: self.sequence,
            requests: Vec::new(),
            datagram: Vec::with_capacity(FIRST_DATAGRAM),
        })
    }

    /// Asks about one thing, again when the answer was lost.
    pub fn ask<Q, A, V>(
        &mut self,
        message: Q,
        mut read: impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<Vec<V>, Failure>
    where
        Q: NetlinkSerializable,
        A: NetlinkDeserializable,
    {
        let mut message = framed(message, NLM_F_ACK);
        let mut tries = 1;
        loop {
            self.send(&mut message)?;
            match self.rest(Answer::to(&message), &mut read) {
                Err(Failure::Lost | Failure::Inconsistent) if tries < TRIES => tries += 1,
                answer => return answer,
            }
        }
    }

    /// Asks for a change and waits for its acknowledgement. Never asks twice.
    pub fn change<Q>(&mut self, message: Q) -> Result<(), Failure>
    where
        Q: NetlinkSerializable + NetlinkDeserializable,
    {
        let mut message = framed(message, NLM_F_ACK);
        self.send(&mut message)?;
        self.rest(Answer::to(&message), &mut |_: Q| Ok(()))
            .map(drop)
    }

    /// Begins a dump, which must be read to its end by [`Self::next`] or
    /// [`Self::rest`].
    pub fn begin<Q: NetlinkSerializable, V>(&mut self, message: Q) -> Result<Answer<V>, Failure> {
        let mut message = framed(message, NLM_F_DUMP);
        self.send(&mut message)?;
        Ok(Answer::to(&message))
    }

    fn send<Q: NetlinkSerializable>(
        &mut self,
        message: &mut NetlinkMessage<Q>,
    ) -> Result<(), Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        message.header.sequence_number = self.sequence;
        self.requests.clear();
        self.requests.resize(message.buffer_len(), 0);
        message.serialize(&mut self.requests);
        loop {
            match self.transport.send(&self.requests) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map_err(Failure::Socket),
            }
        }
    }

    /// Reads to the end of the answer even after a fault, since the kernel
    /// refuses a dump while the last one is not read to its end.
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

    /// Reads one datagram and returns its length. An error ends the answer;
    /// other faults are kept in it.
    pub fn next<A, V>(
        &mut self,
        answer: &mut Answer<V>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<usize, Failure>
    where
        A: NetlinkDeserializable,
    {
        match self.receive() {
            Ok(true) => {}
            Ok(false) => answer.fail(Failure::Lost),
            Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                Errno::ENOBUFS => {
                    answer.fail(Failure::Lost);
                    return Ok(0);
                }
                // Nothing more will come.
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
        Ok(self.datagram.len())
    }

    /// Whether the datagram came whole. If not, the next one has room.
    fn receive(&mut self) -> io::Result<bool> {
        let length = loop {
            match self.transport.receive(&mut self.datagram) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        // What is in the datagram counts to what `reserve` reserves.
        let have = self.datagram.len();
        self.datagram
            .reserve(length.max(DATAGRAM).saturating_sub(have));
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

/// What has come so far of an answer.
pub struct Answer<V> {
    sequence: u32,
    pub values: Vec<V>,
    /// The first thing that went wrong.
    pub fault: Option<Failure>,
    pub ended: bool,
}

impl<V> Answer<V> {
    fn to<Q>(question: &NetlinkMessage<Q>) -> Self {
        Answer {
            sequence: question.header.sequence_number,
            values: Vec::new(),
            fault: None,
            ended: false,
        }
    }

    fn fail(&mut self, fault: Failure) {
        self.fault.get_or_insert(fault);
    }

    /// Takes the messages of a datagram. Messages of another sequence
    /// number belong to an answer that was given up, and are passed over.
    fn take<A: NetlinkDeserializable>(
        &mut self,
        datagram: &[u8],
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) {
        let mut rest = datagram;
        while !self.ended && !rest.is_empty() {
            let header = match NetlinkBuffer::new_checked(rest) {
                Ok(header) => header,
                Err(error) => {
                    self.fail(Failure::Malformed(error.to_string()));
                    return;
                }
            };
            let length = header.length() as usize;
            let (message, sequence) = (rest, header.sequence_number());
            rest = rest
                .get(length.next_multiple_of(NLMSG_ALIGNTO.into())..)
                .unwrap_or_default();
            if sequence != self.sequence {
                continue;
            }
            match NetlinkMessage::<A>::deserialize(message) {
                Ok(message) => self.take_message(message, read),
                Err(error) => self.fail(Failure::Malformed(error.to_string())),
            }
        }
    }

    fn take_message<A>(
        &mut self,
        message: NetlinkMessage<A>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) {
        let flags = message.header.flags;
        if flags & NLM_F_DUMP_INTR != 0 {
            self.fail(Failure::Inconsistent);
        }
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => match read(inner) {
                Ok(value) => self.values.push(value),
                Err(fault) => self.fail(fault),
            },
            NetlinkPayload::Error(error) => {
                self.end(error.raw_code(), || {
                    extended_ack::of_error(flags, &error.header)
                });
            }
            NetlinkPayload::Done(done) => {
                self.end(done.code, || {
                    extended_ack::of_done(flags, &done.extended_ack)
                });
            }
            NetlinkPayload::Overrun(_) => self.fail(Failure::Lost),
            _ => {}
        }
    }

    /// `code` is an errno, negated, or 0.
    fn end(&mut self, code: i32, message: impl FnOnce() -> Option<String>) {
        self.ended = true;
        if code < 0 {
            self.fail(Failure::Kernel {
                errno: Errno::from_raw(code.saturating_neg()),
                message: message(),
            });
        }
    }
}
