// SPDX-License-Identifier: GPL-2.0-only
//! Any bytes as what the kernel answers: a value or an error, and every
//! question ends.
//!
//! The first byte says how to read the others. Even: as the bodies of
//! messages, each a byte of length and that many bytes. Odd: as datagrams,
//! each two bytes of length and that many bytes, in which the sequence number
//! of every message is made that of the question.

use std::io;

use ipvs_bpf::config::write::{Notes, save};
use ipvs_bpf::ipvs_netlink::Ipvs;
use ipvs_bpf::ipvs_netlink::message::IpvsMessage;
use ipvs_bpf::ipvs_netlink::socket::Transport;
use ipvs_bpf::ipvsadm::export;
use ipvs_bpf::model::State;
use netlink_packet_core::{NetlinkDeserializable, NetlinkHeader};
use netlink_packet_generic::GenlMessage;

const FAMILY: u16 = 0x1b;
const EAGAIN: i32 = 11;
const ENOBUFS: i32 = 105;

pub fn take(input: &[u8]) {
    let Some((kind, input)) = input.split_first() else {
        return;
    };
    if kind % 2 == 0 {
        message(input);
    } else {
        conversation(input);
    }
}

fn message(input: &[u8]) {
    let mut header = NetlinkHeader::default();
    header.message_type = FAMILY;
    header.length = u32::try_from(16 + input.len()).unwrap_or(u32::MAX);
    // What can be read can be printed.
    if let Ok(message) = GenlMessage::<IpvsMessage>::deserialize(&header, input) {
        assert!(!format!("{message:?}").is_empty());
    }
}

fn conversation(input: &[u8]) {
    let Ok(mut ipvs) = Ipvs::over(Bytes::new(input)) else {
        return;
    };
    // Each asks on with what the one before has left.
    let _ = ipvs.info().map_err(|error| error.to_string());
    let services = ipvs.services().map_err(|error| error.to_string());
    let _ = ipvs
        .services_with_statistics()
        .map_err(|error| error.to_string());
    let _ = ipvs.timeouts().map_err(|error| error.to_string());
    let _ = ipvs.daemons().map_err(|error| error.to_string());
    let _ = ipvs.flush().map_err(|error| error.to_string());
    // Whatever a kernel says it has can be written down.
    if let Ok(services) = services {
        let state = State {
            services,
            ..State::default()
        };
        save(&state, Notes::default()).unwrap();
        export(&state);
    }
}

struct Bytes<'a> {
    left: &'a [u8],
    sequence: [u8; 4],
    /// The answer to the question for the family's number.
    first: Option<Vec<u8>>,
}

impl<'a> Bytes<'a> {
    fn new(input: &'a [u8]) -> Self {
        Bytes {
            left: input,
            sequence: [0; 4],
            first: None,
        }
    }
}

impl Transport for Bytes<'_> {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.sequence = request[8..12].try_into().unwrap();
        if request[4..6] == 16_u16.to_ne_bytes() {
            let mut answer = Vec::new();
            let family = [
                &[1, 2, 0, 0, 6, 0, 1, 0][..],
                &FAMILY.to_ne_bytes(),
                &[0, 0],
            ]
            .concat();
            for (kind, body) in [(16_u16, family), (2, vec![0; 20])] {
                answer.extend(u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
                answer.extend(kind.to_ne_bytes());
                answer.extend([0, 0]);
                answer.extend(self.sequence);
                answer.extend([0; 4]);
                answer.extend(body);
            }
            self.first = Some(answer);
        }
        Ok(())
    }

    fn receive(&mut self, datagram: &mut Vec<u8>) -> io::Result<usize> {
        datagram.clear();
        if let Some(first) = self.first.take() {
            datagram.extend(first);
            return Ok(datagram.len());
        }
        let Some(([low, high], left)) = self.left.split_first_chunk() else {
            return Err(io::Error::from_raw_os_error(EAGAIN));
        };
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        if length == usize::from(u16::MAX) {
            self.left = left;
            return Err(io::Error::from_raw_os_error(ENOBUFS));
        }
        let (bytes, left) = left.split_at(length.min(left.len()));
        self.left = left;
        let mut bytes = bytes.to_vec();
        let mut at = 0;
        while let Some(header) = bytes.get_mut(at..at + 16) {
            header[8..12].copy_from_slice(&self.sequence);
            let length = u32::from_ne_bytes(header[..4].try_into().unwrap());
            at += usize::try_from(length).unwrap().max(16).next_multiple_of(4);
        }
        let room = datagram.capacity().min(bytes.len());
        datagram.extend_from_slice(&bytes[..room]);
        Ok(bytes.len())
    }

    /// What is left is answered on both, so that the corpus means the same in
    /// whatever order they ask.
    fn another(&self) -> io::Result<Self> {
        Ok(Bytes::new(self.left))
    }
}
