// SPDX-License-Identifier: GPL-2.0-only
//! Ethernet frames of IPv6 packets (RFC 8200), and the one IPv6 session that the tests
//! translate.

use std::net::{Ipv6Addr, SocketAddrV6};

use ipvs_bpf::datapath::abi::{Lease, Slot6, Tuple6};

use crate::flow::{TCP, UDP};
use crate::packet::{pseudo, set, sum, word};

const ETHERNET: usize = 14;
const TRANSPORT: usize = ETHERNET + 40;

const fn end(net: u16, host: u16, port: u16) -> SocketAddrV6 {
    let address = Ipv6Addr::new(0xfd00, net, 0, 0, 0, 0, 0xbeef, host);
    SocketAddrV6::new(address, port, 0, 0)
}

pub const CLIENT6: SocketAddrV6 = end(1, 1, 40001);
pub const VIP6: SocketAddrV6 = end(0, 1, 80);
pub const SERVER6: SocketAddrV6 = end(2, 2, 8080);
pub const LOCAL_IP6: SocketAddrV6 = end(2, 0x77, 61234);
pub const ANSWER6: [SocketAddrV6; 2] = [SERVER6, LOCAL_IP6];

fn words(address: &Ipv6Addr) -> [u32; 4] {
    let number = u128::from(*address);
    [96, 64, 32, 0].map(|shift| ((number >> shift) as u32).to_be())
}

pub fn tuple6(protocol: u8, [source, destination]: [SocketAddrV6; 2]) -> Tuple6 {
    Tuple6 {
        saddr_be: words(source.ip()),
        daddr_be: words(destination.ip()),
        sport_be: source.port().to_be(),
        dport_be: destination.port().to_be(),
        protocol,
        pad: [0; 3],
    }
}

pub fn slots6(protocol: u8) -> [Slot6; 2] {
    let slot = |from: Tuple6, other: Tuple6| Slot6 {
        from,
        saddr_be: other.daddr_be,
        daddr_be: other.saddr_be,
        sport_be: other.dport_be,
        dport_be: other.sport_be,
        last: 0,
        lease: Lease::default(),
    };
    let original = tuple6(protocol, [CLIENT6, VIP6]);
    let reply = tuple6(protocol, ANSWER6);
    [slot(original, reply), slot(reply, original)]
}

/// A frame to build.
#[derive(Clone, Debug)]
pub struct Packet6 {
    pub protocol: u8,
    pub ends: [SocketAddrV6; 2],
    /// An extension header: its number, and its bytes without the first, which has the
    /// number of the next header.
    pub extension: Option<(u8, Vec<u8>)>,
    pub payload: Vec<u8>,
}

impl Packet6 {
    pub fn new(protocol: u8, ends: [SocketAddrV6; 2]) -> Self {
        Self {
            protocol,
            ends,
            extension: None,
            payload: b"an odd number of bytes.".to_vec(),
        }
    }

    pub fn frame(&self) -> Vec<u8> {
        let [source, destination] = self.ends;
        let mut segment = Vec::new();
        segment.extend(source.port().to_be_bytes());
        segment.extend(destination.port().to_be_bytes());
        match self.protocol {
            TCP => {
                segment.extend([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]);
                segment.extend([0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
            }
            _ => {
                segment.extend((8 + self.payload.len() as u16).to_be_bytes());
                segment.extend([0, 0]);
            }
        }
        segment.extend(&self.payload);

        let mut headers = Vec::new();
        let mut next = self.protocol;
        if let Some((number, bytes)) = &self.extension {
            headers.push(next);
            headers.extend(bytes);
            next = *number;
        }
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd];
        frame.extend([0x6b, 0xcd, 0xef, 0x12]); // version, class, flow label
        frame.extend(((headers.len() + segment.len()) as u16).to_be_bytes());
        frame.extend([next, 64]);
        frame.extend(source.ip().octets());
        frame.extend(destination.ip().octets());
        let addresses = frame[ETHERNET + 8..].to_vec();
        let check = check6(&addresses, self.protocol, &segment);
        set(&mut segment, |_| check_at(self.protocol), check);
        frame.extend(&headers);
        frame.extend(&segment);
        frame
    }
}

/// The checksum of a segment whose checksum field is 0.
fn check6(addresses: &[u8], protocol: u8, segment: &[u8]) -> u16 {
    let length = (segment.len() as u32).to_be_bytes();
    match !sum(&[addresses, &length, &[0, protocol], segment]) {
        0 if protocol == UDP => 0xffff,
        check => check,
    }
}

/// The offset of the checksum within the transport header.
fn check_at(protocol: u8) -> usize {
    match protocol {
        TCP => 16,
        _ => 6,
    }
}

/// The source and destination of a frame without extension headers.
pub fn ends6(frame: &[u8]) -> [SocketAddrV6; 2] {
    [(8, 0), (24, 2)].map(|(address, port)| {
        let octets: [u8; 16] = frame[ETHERNET + address..][..16].try_into().unwrap();
        SocketAddrV6::new(octets.into(), word(frame, TRANSPORT + port), 0, 0)
    })
}

/// The offset of the transport checksum in a frame without extension headers.
pub fn check6_at(frame: &[u8]) -> usize {
    TRANSPORT + check_at(frame[ETHERNET + 6])
}

/// Panics unless the TCP or UDP checksum is present and correct.
pub fn assert_checksum6(frame: &[u8]) {
    let end = TRANSPORT + usize::from(word(frame, ETHERNET + 4));
    let parts = [
        &pseudo(frame, TRANSPORT).to_be_bytes(),
        &frame[TRANSPORT..end],
    ];
    assert_eq!(sum(&parts), 0xffff, "checksum of {frame:02x?}");
    assert_ne!(
        word(frame, check6_at(frame)),
        0,
        "the checksum went missing"
    );
}
