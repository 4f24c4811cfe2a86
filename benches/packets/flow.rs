// SPDX-License-Identifier: GPL-2.0-only
//! The frames of a flow as a client or a server sends them, and the addresses of the
//! benchmark.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep, TcpHeader};

use crate::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    Ipv4,
    Ipv6,
}

pub const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

impl Family {
    pub fn name(self) -> &'static str {
        match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Udp,
    Tcp,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        }
    }
}

/// The two directions, with conntrack's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Original,
    Reply,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Direction::Original => "original",
            Direction::Reply => "reply",
        }
    }
}

pub const VIP_PORT: u16 = 80;
pub const SERVER_PORT: u16 = 8080;
/// The first port that a client uses.
const FIRST_PORT: u32 = 2000;
/// The number of ports that a client address uses.
const PORTS: u32 = 60_000;
/// The number of client addresses, enough for a million flows.
pub const CLIENTS: u32 = 20;
/// The number of local IPs, enough for a million sessions to one server.
pub const LOCAL_IPS: u32 = 20;

pub const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 1, 2];
pub const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 2, 2];
/// The addresses of the cards of lab/vm/run.sh --generator, which veths get, too. A card may
/// forget another address when its driver gets a program.
pub const DIRECTOR_CLIENT_MAC: [u8; 6] = [0x52, 0x54, 0, 0x9e, 0, 1];
pub const DIRECTOR_SERVER_MAC: [u8; 6] = [0x52, 0x54, 0, 0x9e, 0, 2];

/// Host `host` of network `network` (0: the VIPs, 1: the clients, 2: the servers).
pub fn address(family: Family, network: u16, host: u16) -> IpAddr {
    match family {
        Family::Ipv4 => {
            let [high, low] = host.to_be_bytes();
            Ipv4Addr::new(10, network as u8, high, low).into()
        }
        Family::Ipv6 => Ipv6Addr::new(0xfd00, network, 0, 0, 0, 0, 0, host).into(),
    }
}

/// Number 0 is the VIP that is measured.
pub fn vip(family: Family, number: u32) -> IpAddr {
    address(family, 0, 1 + number as u16)
}

pub fn server(family: Family) -> IpAddr {
    address(family, 2, 2)
}

pub fn client(family: Family, number: u32) -> IpAddr {
    address(family, 1, 0x100 + number as u16)
}

pub fn local_ip(family: Family, number: u32) -> IpAddr {
    address(family, 2, 0x100 + number as u16)
}

/// The content of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A UDP datagram, or a TCP segment of an established connection.
    Data,
    Syn,
    SynAck,
    Ack,
    FinAck,
    /// The answer to the second FIN.
    LastAck,
}

/// A flow of a path, by its number: 0, 1, 2, …
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    pub family: Family,
    pub protocol: Protocol,
    pub number: u32,
}

impl Flow {
    pub fn client(&self) -> (IpAddr, u16) {
        let address = client(self.family, self.number / PORTS);
        (address, (FIRST_PORT + self.number % PORTS) as u16)
    }

    /// The frame with `size` bytes in total, or with its minimum size if that is larger.
    pub fn frame(
        &self,
        path: Path,
        direction: Direction,
        segment: Segment,
        size: usize,
    ) -> Vec<u8> {
        let (macs, from, to) = match direction {
            Direction::Original => (
                (CLIENT_MAC, DIRECTOR_CLIENT_MAC),
                self.client(),
                path.destination(self.family),
            ),
            Direction::Reply => (
                (SERVER_MAC, DIRECTOR_SERVER_MAC),
                (server(self.family), SERVER_PORT),
                path.peer(self.family, self.client()),
            ),
        };
        let builder = packet(macs, from.0, to.0);
        match self.protocol {
            Protocol::Udp => {
                let builder = builder.udp(from.1, to.1);
                let payload = vec![0; size.saturating_sub(builder.size(0))];
                let mut frame = Vec::with_capacity(size);
                builder.write(&mut frame, &payload).expect("a frame");
                frame
            }
            Protocol::Tcp => {
                let builder = builder.tcp_header(tcp(from.1, to.1, direction, segment));
                let payload = match segment {
                    Segment::Data => vec![0; size.saturating_sub(builder.size(0))],
                    _ => Vec::new(),
                };
                let mut frame = Vec::with_capacity(size);
                builder.write(&mut frame, &payload).expect("a frame");
                frame
            }
        }
    }
}

/// A frame up to its IP header. The MACs and the addresses are those of source and destination.
pub fn packet(macs: ([u8; 6], [u8; 6]), from: IpAddr, to: IpAddr) -> PacketBuilderStep<IpHeaders> {
    let builder = PacketBuilder::ethernet2(macs.0, macs.1);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => builder.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => builder.ipv6(from.octets(), to.octets(), 64),
        _ => unreachable!("both are of one family"),
    }
}

/// The sequence numbers of each side begin at 1000 and its data at 1001. Data that is
/// sent repeatedly is a retransmission, which every window allows.
fn tcp(from: u16, to: u16, direction: Direction, segment: Segment) -> TcpHeader {
    const BEGIN: u32 = 1_000;
    let mut header = TcpHeader::new(from, to, BEGIN + 1, 32_000);
    header.acknowledgment_number = BEGIN + 1;
    header.ack = true;
    match segment {
        Segment::Data => header.psh = true,
        Segment::Ack => {}
        Segment::Syn => {
            header.sequence_number = BEGIN;
            header.acknowledgment_number = 0;
            header.syn = true;
            header.ack = false;
        }
        Segment::SynAck => {
            header.sequence_number = BEGIN;
            header.syn = true;
        }
        Segment::FinAck => {
            header.fin = true;
            // Both sides have sent one segment of data. The server sends its FIN second.
            header.sequence_number += SHORT_DATA;
            header.acknowledgment_number += SHORT_DATA + u32::from(direction == Direction::Reply);
        }
        Segment::LastAck => {
            header.sequence_number += SHORT_DATA + 1;
            header.acknowledgment_number += SHORT_DATA + 1;
        }
    }
    header
}

/// The bytes of data in each direction of a short connection.
pub const SHORT_DATA: u32 = 100;
