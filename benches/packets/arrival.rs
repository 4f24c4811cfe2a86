// SPDX-License-Identifier: GPL-2.0-only
//! Checks that a path does what it is measured for: the frame that comes out is the one
//! that went in. It must have the path's addresses and a correct checksum.

use std::net::{IpAddr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use crate::flow::{Direction, SERVER_PORT, Segment, server};
use crate::measure::cost;
use crate::network::Network;
use crate::path::Path;
use crate::report::Subject;

/// Checks the first flow, whose connection is open.
pub fn check(network: &Network, subject: &Subject) {
    check_as(network, network.path, subject, 0);
}

/// Checks the flow of this number. It uses the network as it would use that path.
pub fn check_as(network: &Network, path: Path, subject: &Subject, number: u32) {
    for direction in [Direction::Original, Direction::Reply] {
        let frame = subject.flow(number);
        let frames = [frame.frame(path, direction, Segment::Data, subject.size)];
        let heard = network.overheard(direction, || {
            cost(network, direction, &frames);
        });
        let expected = expected(path, subject, number, direction);
        let name = network.path.name();
        let what = format!("{name}, {direction:?}: the frame that arrives");
        let found: Vec<_> = heard.iter().filter_map(|frame| read(frame)).collect();
        assert_eq!(found, [expected], "{what}");
        assert_eq!(heard[0].len(), frames[0].len(), "{what}");
    }
}

/// Source, destination, and the remaining hops.
pub type Ends = (SocketAddr, SocketAddr, u8);

/// The result that a path must have for a frame of this flow.
pub fn expected(path: Path, subject: &Subject, number: u32, direction: Direction) -> Ends {
    let family = subject.family;
    let client = subject.flow(number).client();
    let (from, to) = match direction {
        Direction::Original => (path.peer(family, client), (server(family), SERVER_PORT)),
        Direction::Reply => (path.destination(family), client),
    };
    let hops = u8::from(!path.is_redirect());
    (from.into(), to.into(), 64 - hops)
}

/// None: this is not a packet of the benchmark. Its checksum must be right.
pub fn read(frame: &[u8]) -> Option<Ends> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    let (source, destination, hops): (IpAddr, IpAddr, u8) = match packet.net? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            let addresses = (header.source_addr(), header.destination_addr());
            (addresses.0.into(), addresses.1.into(), header.ttl())
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            let addresses = (header.source_addr(), header.destination_addr());
            (addresses.0.into(), addresses.1.into(), header.hop_limit())
        }
        _ => return None,
    };
    let (from, to, protocol, segment) = match packet.transport? {
        TransportSlice::Udp(udp) => (udp.source_port(), udp.destination_port(), 17, udp.slice()),
        TransportSlice::Tcp(tcp) => (tcp.source_port(), tcp.destination_port(), 6, tcp.slice()),
        _ => return None,
    };
    let length = u16::try_from(segment.len()).ok()?.to_be_bytes();
    let pseudo = [
        &octets(source)[..],
        &octets(destination),
        &length,
        &[0, protocol],
    ]
    .concat();
    // The sum includes the checksum itself (RFC 1071).
    assert_eq!(sum(&pseudo, segment), 0xffff, "checksum of {frame:02x?}");
    Some(((source, from).into(), (destination, to).into(), hops))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

/// The one's complement sum. Only the last part may have an odd length.
fn sum(pseudo: &[u8], segment: &[u8]) -> u16 {
    let parts = pseudo.chunks(2).chain(segment.chunks(2));
    let words = parts.map(|word| {
        let low = word.get(1).copied().unwrap_or(0);
        u64::from(u16::from_be_bytes([word[0], low]))
    });
    let folded = (0..3).fold(words.sum::<u64>(), |sum, _| (sum & 0xffff) + (sum >> 16));
    folded as u16
}
