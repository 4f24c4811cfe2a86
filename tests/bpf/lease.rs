// SPDX-License-Identifier: GPL-2.0-only
//! Leases as the module gives them, with the checksum differences of their flow.

use ipvs_bpf::datapath::abi::{Lease, PACKET_BITS, Slot4, Slot6};

use crate::packet::sum;

/// The destination of a frame for the loopback device, where test runs happen.
pub const TO_US: [u8; 6] = [0; 6];
/// The addresses of the translated frame: destination and source.
pub const MACS: [[u8; 6]; 2] = [[2, 1, 3, 5, 7, 9], [2, 4, 6, 8, 10, 12]];

/// The addresses of a frame in the format of a lease.
pub fn macs(destination: [u8; 6], source: [u8; 6]) -> [u32; 3] {
    let bytes = [destination, source].concat();
    [0, 4, 8].map(|at| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()))
}

/// A lease that never ends.
pub fn lease() -> Lease {
    Lease {
        until: u64::MAX,
        iif: 1,
        ifindex: 1,
        macs: macs(MACS[0], MACS[1]),
        mtu: 1500,
        to: TO_US,
        xdp: 1,
        ..Lease::default()
    }
}

/// The packets and bytes that the lease has counted.
pub fn forwarded(lease: &Lease) -> (u64, u64) {
    let packets = (1 << PACKET_BITS) - 1;
    (lease.forwarded & packets, lease.forwarded >> PACKET_BITS)
}

/// The bytes of these words, in order.
fn bytes(addresses: &[u32]) -> Vec<u8> {
    addresses
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect()
}

fn ports(ports: [u16; 2]) -> Vec<u8> {
    ports.into_iter().flat_map(u16::to_ne_bytes).collect()
}

/// The lease with the sums for these addresses and ports before and after the
/// translation.
fn summed(lease: Lease, protocol: u8, old: [&[u8]; 2], new: [&[u8]; 2]) -> Lease {
    let change = |parts: &[(&[u8], &[u8])]| {
        let of = |(old, new): &(&[u8], &[u8])| [sum(&[new]), !sum(&[old])];
        let words: Vec<u8> = parts
            .iter()
            .flat_map(of)
            .flat_map(u16::to_be_bytes)
            .collect();
        words
    };
    let addresses = change(&[(old[0], new[0])]);
    let one_hop = (!0x0100u16).to_be_bytes();
    // The length in the IPv6 header is also part of the pseudo-header.
    let less_header = (!20u16).to_be_bytes();
    let header: &[u8] = if old[0].len() == 8 { &less_header } else { &[] };
    let ends = change(&[(old[0], new[0]), (old[1], new[1])]);
    Lease {
        header: sum(&[&addresses, &one_hop]).to_be(),
        transport: sum(&[&ends]).to_be(),
        pseudo: sum(&[old[0], &[0, protocol], header]).to_be(),
        ..lease
    }
}

pub fn leased4(slot: Slot4, lease: Lease) -> Slot4 {
    let tuple = slot.from;
    let old = bytes(&[tuple.saddr_be, tuple.daddr_be]);
    let new = bytes(&[slot.saddr_be, slot.daddr_be]);
    let old_ports = ports([tuple.sport_be, tuple.dport_be]);
    let new_ports = ports([slot.sport_be, slot.dport_be]);
    let lease = summed(
        lease,
        tuple.protocol,
        [&old, &old_ports],
        [&new, &new_ports],
    );
    Slot4 { lease, ..slot }
}

pub fn leased6(slot: Slot6, lease: Lease) -> Slot6 {
    let tuple = slot.from;
    let old = bytes(&[tuple.saddr_be, tuple.daddr_be].concat());
    let new = bytes(&[slot.saddr_be, slot.daddr_be].concat());
    let old_ports = ports([tuple.sport_be, tuple.dport_be]);
    let new_ports = ports([slot.sport_be, slot.dport_be]);
    let lease = summed(
        lease,
        tuple.protocol,
        [&old, &old_ports],
        [&new, &new_ports],
    );
    Slot6 { lease, ..slot }
}
