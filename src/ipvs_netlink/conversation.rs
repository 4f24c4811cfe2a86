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

/// How often a question is asked whose answer was lost or disturbed.
const TRIES: usize = 3;

pub struct Conversation<T> {
    transport: T,
    sequence: u32,
    requests: Vec<u8>,
    datagram: Vec<u8>,
}

/// How a question is put.
#[derive(Clone, Copy)]
pub enum Question {
    /// About one thing: a message, then the acknowledgement.
    One,
    /// About all: `NLM_F_DUMP`, any number of messages, then `NLMSG_DONE`.
    Dump,
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

    /// Asks without changing anything, again when the answer was lost.
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
            match self.answer(message.header.sequence_number, &mut read) {
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
        self.answer(message.header.sequence_number, &mut |_: Q| Ok(()))
            .map(drop)
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
    fn answer<A, V>(
        &mut self,
        sequence: u32,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> Result<Vec<V>, Failure>
    where
        A: NetlinkDeserializable,
    {
        let mut answer = Answer {
            sequence,
            values: Vec::new(),
            fault: None,
        };
        loop {
            match self.receive() {
                Ok(true) => {}
                Ok(false) => answer.fail(Failure::Lost),
                Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                    Errno::ENOBUFS => {
                        answer.fail(Failure::Lost);
                        continue;
                    }
                    // Nothing more will come.
                    Errno::EAGAIN => return Err(answer.fault.unwrap_or(Failure::Lost)),
                    _ => return Err(Failure::Socket(error)),
                },
            }
            if answer.take(&self.datagram, read) {
                return match answer.fault {
                    Some(fault) => Err(fault),
                    None => Ok(answer.values),
                };
            }
        }
    }

    /// Whether the datagram came whole. If not, the next one has room.
    fn receive(&mut self) -> io::Result<bool> {
        let length = loop {
            match self.transport.receive(&mut self.datagram) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let whole = length <= self.datagram.len();
        if !whole {
            // What is in the datagram counts to what `reserve` reserves.
            self.datagram.reserve(length - self.datagram.len());
        }
        Ok(whole)
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

struct Answer<V> {
    sequence: u32,
    values: Vec<V>,
    /// The first thing that went wrong.
    fault: Option<Failure>,
}

impl<V> Answer<V> {
    fn fail(&mut self, fault: Failure) {
        self.fault.get_or_insert(fault);
    }

    /// Takes the messages of a datagram; true when the answer ends in it.
    /// Messages of another sequence number belong to an answer that was
    /// given up, and are passed over.
    fn take<A: NetlinkDeserializable>(
        &mut self,
        datagram: &[u8],
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> bool {
        let mut rest = datagram;
        while !rest.is_empty() {
            let header = match NetlinkBuffer::new_checked(rest) {
                Ok(header) => header,
                Err(error) => {
                    self.fail(Failure::Malformed(error.to_string()));
                    return false;
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
                Ok(message) => {
                    if self.take_message(message, read) {
                        return true;
                    }
                }
                Err(error) => self.fail(Failure::Malformed(error.to_string())),
            }
        }
        false
    }

    fn take_message<A>(
        &mut self,
        message: NetlinkMessage<A>,
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) -> bool {
        let flags = message.header.flags;
        if flags & NLM_F_DUMP_INTR != 0 {
            self.fail(Failure::Inconsistent);
        }
        match message.payload {
            NetlinkPayload::InnerMessage(inner) => {
                match read(inner) {
                    Ok(value) => self.values.push(value),
                    Err(fault) => self.fail(fault),
                }
                false
            }
            NetlinkPayload::Error(error) => {
                self.end(error.raw_code(), || {
                    extended_ack::of_error(flags, &error.header)
                });
                true
            }
            NetlinkPayload::Done(done) => {
                self.end(done.code, || {
                    extended_ack::of_done(flags, &done.extended_ack)
                });
                true
            }
            NetlinkPayload::Overrun(_) => {
                self.fail(Failure::Lost);
                false
            }
            _ => false,
        }
    }

    /// `code` is an errno, negated, or 0.
    fn end(&mut self, code: i32, message: impl FnOnce() -> Option<String>) {
        if code < 0 {
            self.fail(Failure::Kernel {
                errno: Errno::from_raw(code.saturating_neg()),
                message: message(),
            });
        }
    }
}
