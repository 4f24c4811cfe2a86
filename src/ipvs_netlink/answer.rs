// SPDX-License-Identifier: GPL-2.0-only
//! The answer to one request: its messages in the datagrams, its end, and its first
//! error.

use netlink_packet_core::{
    NLM_F_DUMP_INTR, NLMSG_ALIGNTO, NetlinkBuffer, NetlinkDeserializable, NetlinkMessage,
    NetlinkPayload,
};
use nix::errno::Errno;

use super::error::Failure;
use super::extended_ack;

/// The part of an answer that has been received so far.
pub struct Answer<V> {
    sequence: u32,
    pub values: Vec<V>,
    /// The first error.
    pub fault: Option<Failure>,
    pub ended: bool,
}

impl<V> Answer<V> {
    pub(super) fn to(sequence: u32) -> Self {
        Answer {
            sequence,
            values: Vec::new(),
            fault: None,
            ended: false,
        }
    }

    pub(super) fn fail(&mut self, fault: Failure) {
        self.fault.get_or_insert(fault);
    }

    /// Takes the messages of a datagram. Messages with another sequence number belong to
    /// an answer that was given up, and are skipped.
    pub(super) fn take<A: NetlinkDeserializable>(
        &mut self,
        datagram: &[u8],
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) {
        for message in split(datagram) {
            match message {
                Ok((sequence, message)) if sequence == self.sequence => {
                    self.take_one(message, read);
                }
                Ok(_) => {}
                Err(fault) => self.fail(fault),
            }
            if self.ended {
                return;
            }
        }
    }

    pub(super) fn take_one<A: NetlinkDeserializable>(
        &mut self,
        message: &[u8],
        read: &mut impl FnMut(A) -> Result<V, Failure>,
    ) {
        match NetlinkMessage::<A>::deserialize(message) {
            Ok(message) => self.take_message(message, read),
            Err(error) => self.fail(Failure::Malformed(error.to_string())),
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

    /// `code` is a negated errno, or 0.
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

/// The messages of a datagram with their sequence numbers. Stops at a message with a
/// wrong length.
pub(super) fn split(datagram: &[u8]) -> impl Iterator<Item = Result<(u32, &[u8]), Failure>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = rest;
        rest = &[];
        Some(match NetlinkBuffer::new_checked(message) {
            Ok(header) => {
                let length = header.length() as usize;
                rest = message
                    .get(length.next_multiple_of(NLMSG_ALIGNTO.into())..)
                    .unwrap_or_default();
                Ok((header.sequence_number(), message))
            }
            Err(error) => Err(Failure::Malformed(error.to_string())),
        })
    })
}
