// SPDX-License-Identifier: GPL-2.0-only
//! Builds and reads Ethernet frames of IPv4 packets. Computes their checksums from the
//! bytes alone (RFC 791, 768, 9293, 1071).

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::flow::{TCP, UDP};

const ETHERNET: usize = 14;

/// A frame to build.
#[derive(Clone, Debug)]
pub struct Packet {
    pub protocol: u8,
    pub ends: [SocketAddrV4; 2],
    /// IPv4 options, a multiple of 4 bytes.
    pub options: Vec<u8>,
    /// Flags and fragment offset.
    pub fragment: u16,
    pub payload: Vec<u8>,
}

impl Packet {
    pub fn new(protocol: u8, ends: [SocketAddrV4; 2]) -> Self {
        Self {
            protocol,
            ends,
            options: Vec::new(),
            fragment: 0x4000, // do not fragment
            payload: b"an odd number of bytes.".to_vec(),
        }
    }

    /// The frame, with correct checksums.
    pub fn frame(&self) -> Vec<u8> {
        let [source, destination] = self.ends;
        let mut transport = Vec::new();
        transport.extend(source.port().to_be_bytes());
        transport.extend(destination.port().to_be_bytes());
        if self.protocol == TCP {
            transport.extend(0x1234_5678u32.to_be_bytes()); // sequence
            transport.extend(0x9abc_def0u32.to_be_bytes()); // acknowledgement
            transport.extend([0x50, 0x18]); // 20 bytes; PSH, ACK
            transport.extend([0x20, 0x00, 0, 0, 0, 0]); // window, checksum, urgent
        } else {
            transport.extend((8 + self.payload.len() as u16).to_be_bytes());
            transport.extend([0, 0]);
        }
        transport.extend(&self.payload);

        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00];
        frame.push(0x40 | (5 + self.options.len() as u8 / 4));
        frame.push(0);
        let length = 20 + self.options.len() + transport.len();
        frame.extend((length as u16).to_be_bytes());
        frame.extend([0xab, 0xcd]); // identification
        frame.extend(self.fragment.to_be_bytes());
        frame.extend([64, self.protocol, 0, 0]); // TTL, protocol, checksum
        frame.extend(source.ip().octets());
        frame.extend(destination.ip().octets());
        frame.extend(&self.options);
        frame.extend(&transport);
        fill_checksums(&mut frame);
        frame
    }
}

/// The offset of the transport header.
fn transport(frame: &[u8]) -> usize {
    ETHERNET + usize::from(frame[ETHERNET] & 0x0f) * 4
}

pub fn transport_check_at(frame: &[u8]) -> usize {
    transport(frame)
        + match frame[ETHERNET + 9] {
            TCP => 16,
            _ => 6,
        }
}

pub fn word(frame: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([frame[at], frame[at + 1]])
}

pub fn set(frame: &mut [u8], at: impl Fn(&[u8]) -> usize, value: u16) {
    let at = at(frame);
    frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

pub fn transport_check(frame: &[u8]) -> u16 {
    word(frame, transport_check_at(frame))
}

/// The source and destination of the frame.
pub fn ends(frame: &[u8]) -> [SocketAddrV4; 2] {
    [(12, 0), (16, 2)].map(|(address, port)| {
        let at = ETHERNET + address;
        SocketAddrV4::new(
            Ipv4Addr::new(frame[at], frame[at + 1], frame[at + 2], frame[at + 3]),
            word(frame, transport(frame) + port),
        )
    })
}

/// The one's complement sum.
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The pseudo-header sum of a packet whose transport header begins at that offset. Works
/// for both families: the non-zero parts of their pseudo-headers are the same.
pub fn pseudo(frame: &[u8], transport: usize) -> u16 {
    let (addresses, protocol, end) = match frame[ETHERNET] >> 4 {
        4 => (12..20, 9, usize::from(word(frame, ETHERNET + 2))),
        _ => (8..40, 6, 40 + usize::from(word(frame, ETHERNET + 4))),
    };
    let length = (ETHERNET + end - transport) as u16;
    let network = &frame[ETHERNET..];
    sum(&[
        &network[addresses],
        &[0, network[protocol]],
        &length.to_be_bytes(),
    ])
}

/// The sums of the IPv4 header, and of pseudo-header and transport segment. Each is
/// 0xffff if the checksum is correct.
pub fn sums(frame: &[u8]) -> [u16; 2] {
    let start = transport(frame);
    let end = ETHERNET + usize::from(word(frame, ETHERNET + 2));
    let pseudo = pseudo(frame, start).to_be_bytes();
    [
        sum(&[&frame[ETHERNET..start]]),
        sum(&[&pseudo, &frame[start..end]]),
    ]
}

pub fn fill_header_checksum(frame: &mut [u8]) {
    let header_check_at = |_: &[u8]| ETHERNET + 10;
    set(frame, header_check_at, 0);
    let header = sum(&[&frame[ETHERNET..transport(frame)]]);
    set(frame, header_check_at, !header);
}

pub fn fill_checksums(frame: &mut [u8]) {
    fill_header_checksum(frame);
    set(frame, transport_check_at, 0);
    let [_, segment] = sums(frame);
    // RFC 768: a computed checksum of 0 is sent as all ones.
    let check = match !segment {
        0 if frame[ETHERNET + 9] == UDP => 0xffff,
        check => check,
    };
    set(frame, transport_check_at, check);
}

/// Panics unless both checksums are present and correct.
pub fn assert_checksums(frame: &[u8]) {
    assert_eq!(sums(frame), [0xffff; 2], "checksums of {frame:02x?}");
    if frame[ETHERNET + 9] == UDP {
        assert_ne!(transport_check(frame), 0, "the UDP checksum went missing");
    }
}
