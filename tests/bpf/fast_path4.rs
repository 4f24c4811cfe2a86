// SPDX-License-Identifier: GPL-2.0-only
//! The fast path of IPv4 where IPv6 differs: the header's checksum and its length, options,
//! fragments, and short frames. `fast_path.rs` has what both share.

use std::net::SocketAddrV4;

use super::fast_path::{assert_untouched, leased, to_us};
use crate::bench::SENT;
use crate::family::Family::V4;
use crate::flow::{ANSWER, CLIENT, LOCAL_IP, PROTOCOLS, SERVER, UDP, VIP};
use crate::lease::{MACS, lease};
use crate::packet::{Packet, fill_checksums, set};

const TOTAL_LENGTH: usize = 14 + 2;
const IDENTIFICATION: usize = 14 + 4;
const TTL: usize = 14 + 8;

/// A session's two directions: source and destination before and after the translation.
fn directions() -> [([SocketAddrV4; 2], [SocketAddrV4; 2]); 2] {
    [([CLIENT, VIP], [LOCAL_IP, SERVER]), (ANSWER, [VIP, CLIENT])]
}

fn incoming(packet: &Packet) -> Vec<u8> {
    to_us(packet.frame())
}

fn outgoing(packet: &Packet, ends: [SocketAddrV4; 2]) -> Vec<u8> {
    let mut frame = Packet {
        ends,
        ..packet.clone()
    }
    .frame();
    frame[..12].copy_from_slice(&MACS.concat());
    frame[TTL] -= 1;
    fill_checksums(&mut frame);
    frame
}

#[test]
fn a_wrong_header_checksum_stays_wrong_by_as_much() {
    for protocol in PROTOCOLS {
        let bench = leased(V4, protocol, lease());
        for (ends, new) in directions() {
            let packet = Packet::new(protocol, ends);
            let wrong = |mut frame: Vec<u8>| {
                frame[IDENTIFICATION] ^= 0x10;
                frame
            };
            let outcome = bench.ingress(&wrong(incoming(&packet)));
            assert_eq!(outcome.action, SENT);
            assert_eq!(outcome.frame, wrong(outgoing(&packet, new)));
        }
    }
}

#[test]
fn the_padding_of_a_short_frame_is_not_part_of_the_packet() {
    for protocol in PROTOCOLS {
        let bench = leased(V4, protocol, lease());
        for (ends, new) in directions() {
            let mut packet = Packet::new(protocol, ends);
            packet.payload = Vec::new();
            let padded = |mut frame: Vec<u8>| {
                frame.resize(60, 0xee);
                frame
            };
            let outcome = bench.ingress(&padded(incoming(&packet)));
            assert_eq!(outcome.action, SENT);
            assert_eq!(outcome.frame, padded(outgoing(&packet, new)));
        }
    }
}

/// `net/ipv4/ip_input.c: ip_rcv_core()`.
#[test]
fn packets_that_ip_rcv_discards_are_left_to_it() {
    let bench = leased(V4, UDP, lease());
    for (ends, _) in directions() {
        let packet = incoming(&Packet::new(UDP, ends));
        let longer = packet.len() as u16 - 14 + 1;
        for length in [0, 10, 27, longer, u16::MAX] {
            let mut lies = packet.clone();
            set(&mut lies, |_| TOTAL_LENGTH, length);
            assert_untouched(&bench, &lies);
        }
        // The length fits, but the frame is too large.
        let mut large = Packet::new(UDP, ends);
        large.payload = vec![1; 1501];
        let mut large = incoming(&large);
        set(&mut large, |_| TOTAL_LENGTH, 100);
        assert_untouched(&bench, &large);
    }
}

#[test]
fn options_fragments_and_headers_of_another_version_or_length_are_untouched() {
    let bench = leased(V4, UDP, lease());
    for (ends, _) in directions() {
        for words in [1, 5, 10] {
            let mut packet = Packet::new(UDP, ends);
            packet.options = vec![1; words * 4]; // no-operation
            assert_untouched(&bench, &incoming(&packet));
        }
        // The first fragment, one in the middle, and the last.
        for fragment in [0x2000, 0x2000 | 185, 185] {
            let mut packet = Packet::new(UDP, ends);
            packet.fragment = fragment;
            assert_untouched(&bench, &incoming(&packet));
        }
        for first in [0x44, 0x46, 0x55, 0x65] {
            let mut frame = incoming(&Packet::new(UDP, ends));
            frame[14] = first;
            assert_untouched(&bench, &frame);
        }
    }
}

#[test]
fn packets_other_than_ipv4_tcp_or_udp_are_untouched_whatever_the_map_has() {
    // ICMP, IP in IP, IPv6 in IP, GRE, ESP, SCTP, UDP-Lite
    for protocol in [1, 4, 41, 47, 50, 132, 136] {
        let bench = leased(V4, protocol, lease());
        for (ends, _) in directions() {
            assert_untouched(&bench, &incoming(&Packet::new(protocol, ends)));
        }
    }
    let bench = leased(V4, UDP, lease());
    for (ends, _) in directions() {
        // IPv6, ARP, PPPoE, and an experimental type
        for ether_type in [0x86dd, 0x0806, 0x8864, 0x88b5] {
            let mut frame = incoming(&Packet::new(UDP, ends));
            set(&mut frame, |_| 12, ether_type);
            assert_untouched(&bench, &frame);
        }
    }
}
