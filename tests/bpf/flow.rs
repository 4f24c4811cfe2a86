// SPDX-License-Identifier: GPL-2.0-only
//! The one session that the tests translate, and its slots in the format that the module
//! writes (`kmod/table/flow_table.c`).

use std::net::{Ipv4Addr, SocketAddrV4};

use ipvs_bpf::datapath::abi::{Lease, Slot4, Tuple4};

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const PROTOCOLS: [u8; 2] = [TCP, UDP];

pub const CLIENT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 1, 0, 1), 40001);
pub const VIP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80);
pub const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 2, 0, 2), 8080);
pub const LOCAL_IP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 2, 0, 77), 61234);

/// A reply before the translation.
pub const ANSWER: [SocketAddrV4; 2] = [SERVER, LOCAL_IP];

pub fn tuple(protocol: u8, [source, destination]: [SocketAddrV4; 2]) -> Tuple4 {
    Tuple4 {
        saddr_be: u32::from(*source.ip()).to_be(),
        daddr_be: u32::from(*destination.ip()).to_be(),
        sport_be: source.port().to_be(),
        dport_be: destination.port().to_be(),
        protocol,
        pad: [0; 3],
    }
}

/// Full NAT translates a packet to the reversed tuple of the other direction.
fn slot(from: Tuple4, other: Tuple4) -> Slot4 {
    Slot4 {
        from,
        saddr_be: other.daddr_be,
        daddr_be: other.saddr_be,
        sport_be: other.dport_be,
        dport_be: other.sport_be,
        last: 0,
        lease: Lease::default(),
    }
}

/// The slots of both directions, without leases.
pub fn slots(protocol: u8) -> [Slot4; 2] {
    let original = tuple(protocol, [CLIENT, VIP]);
    let reply = tuple(protocol, ANSWER);
    [slot(original, reply), slot(reply, original)]
}
