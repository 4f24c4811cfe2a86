// SPDX-License-Identifier: GPL-2.0-only
//! The fast path of IPv6 where IPv4 differs: the length of the payload, and extension
//! headers. `fast_path.rs` has what both share.

use std::net::SocketAddrV6;

use super::fast_path::{assert_untouched, leased, to_us};
use crate::family::Family::V6;
use crate::flow::{PROTOCOLS, UDP};
use crate::lease::lease;
use crate::packet::set;
use crate::packet6::{ANSWER6, CLIENT6, Packet6, VIP6};

const PAYLOAD_LENGTH: usize = 14 + 4;
const TRANSPORT: usize = 14 + 40;

/// The ends of requests and of replies.
const DIRECTIONS: [[SocketAddrV6; 2]; 2] = [[CLIENT6, VIP6], ANSWER6];

fn incoming(packet: &Packet6) -> Vec<u8> {
    to_us(packet.frame())
}

/// `net/ipv6/ip6_input.c: ip6_rcv_core()`.
#[test]
fn packets_that_ip6_rcv_discards_are_left_to_it() {
    for protocol in PROTOCOLS {
        let bench = leased(V6, protocol, lease());
        for ends in DIRECTIONS {
            let frame = incoming(&Packet6::new(protocol, ends));
            let payload = frame.len() as u16 - TRANSPORT as u16;
            // The length of a jumbogram is 0.
            for length in [0, 7, payload + 1, u16::MAX] {
                let mut lies = frame.clone();
                set(&mut lies, |_| PAYLOAD_LENGTH, length);
                assert_untouched(&bench, &lies);
            }
            for version in [0x45, 0x4b, 0x5b, 0x7b] {
                let mut other = frame.clone();
                other[14] = version;
                assert_untouched(&bench, &other);
            }
            // The length fits, but the frame is too large.
            let mut large = Packet6::new(protocol, ends);
            large.payload = vec![1; 1501];
            let mut large = incoming(&large);
            set(&mut large, |_| PAYLOAD_LENGTH, 100);
            assert_untouched(&bench, &large);
        }
    }
}

#[test]
fn ipv6_extension_headers_and_fragments_are_untouched() {
    for protocol in PROTOCOLS {
        let bench = leased(V6, protocol, lease());
        for ends in DIRECTIONS {
            // Hop-by-hop and destination options, a routing and an authentication header,
            // each of the minimum length, and the fragments of a datagram.
            for extension in [
                (0, vec![0, 1, 4, 0, 0, 0, 0]),
                (60, vec![0, 1, 4, 0, 0, 0, 0]),
                (43, vec![0, 4, 0, 0, 0, 0, 0]),
                (51, vec![0; 23]),
                (44, vec![0, 0, 1, 9, 9, 9, 9]),
                (44, vec![0, 5, 0x21, 9, 9, 9, 9]),
                (44, vec![0, 5, 0x20, 9, 9, 9, 9]),
            ] {
                let packet = Packet6 {
                    extension: Some(extension),
                    ..Packet6::new(protocol, ends)
                };
                assert_untouched(&bench, &incoming(&packet));
            }
        }
    }
}

#[test]
fn packets_other_than_ipv6_tcp_or_udp_are_untouched_whatever_the_map_has() {
    // ICMPv6, IP in IP, IPv6 in IP, GRE, ESP, SCTP, UDP-Lite
    for protocol in [58, 4, 41, 47, 50, 132, 136] {
        let bench = leased(V6, protocol, lease());
        for ends in DIRECTIONS {
            assert_untouched(&bench, &incoming(&Packet6::new(protocol, ends)));
        }
    }
    let bench = leased(V6, UDP, lease());
    for ends in DIRECTIONS {
        let mut frame = incoming(&Packet6::new(UDP, ends));
        set(&mut frame, |_| 12, 0x0800);
        assert_untouched(&bench, &frame);
    }
}
