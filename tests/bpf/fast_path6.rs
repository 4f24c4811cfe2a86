// SPDX-License-Identifier: GPL-2.0-only
//! The same of IPv6; see `fast_path.rs`.

use std::net::SocketAddrV6;

use ipvs_bpf::datapath::abi::Lease;

use crate::bench::{Bench, TC_ACT_REDIRECT};
use crate::fast_path::assert_untouched;
use crate::flow::{PROTOCOLS, TCP, UDP};
use crate::lease::{MACS, TO_US, forwarded, lease};
use crate::packet::{pseudo, set, word};
use crate::packet6::{
    ANSWER6, CLIENT6, LOCAL_IP6, Packet6, SERVER6, VIP6, assert_checksum6, check6_at,
    words_around_zero6,
};

const PAYLOAD_LENGTH: usize = 14 + 4;
const HOP_LIMIT: usize = 14 + 7;
const TRANSPORT: usize = 14 + 40;
const TCP_FLAGS: usize = TRANSPORT + 13;

fn directions() -> [([SocketAddrV6; 2], [SocketAddrV6; 2]); 2] {
    [
        ([CLIENT6, VIP6], [LOCAL_IP6, SERVER6]),
        (ANSWER6, [VIP6, CLIENT6]),
    ]
}

fn leased(protocol: u8, lease: Lease) -> Bench {
    let mut bench = Bench::empty();
    bench.set_leases6(protocol, [lease; 2]);
    bench
}

fn incoming(packet: &Packet6) -> Vec<u8> {
    let mut frame = packet.frame();
    frame[..6].copy_from_slice(&TO_US);
    frame
}

fn outgoing(packet: &Packet6, ends: [SocketAddrV6; 2]) -> Vec<u8> {
    let mut frame = packet.between(ends).frame();
    frame[..12].copy_from_slice(&MACS.concat());
    frame[HOP_LIMIT] -= 1;
    frame
}

#[test]
fn an_ipv6_packet_with_a_lease_is_translated_whole_and_redirected() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let packet = Packet6::new(protocol, ends);
            let outcome = bench.ingress(&incoming(&packet));
            assert_eq!(outcome.action, TC_ACT_REDIRECT);
            assert_checksum6(&outcome.frame);
            assert_eq!(outcome.frame, outgoing(&packet, new));
        }
    }
}

#[test]
fn an_ipv6_checksum_is_right_also_where_it_passes_through_0_and_0xffff_and_each_packet_is_counted()
{
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (direction, (ends, new)) in directions().into_iter().enumerate() {
            let between = [
                SocketAddrV6::new(*new[0].ip(), ends[0].port(), 0, 0),
                SocketAddrV6::new(*new[1].ip(), ends[1].port(), 0, 0),
            ];
            let mut packet = Packet6::new(protocol, ends);
            let words = words_around_zero6(&packet, &[ends, between, new]);
            for (packets, word) in (1..).zip(words) {
                packet.payload = word.to_be_bytes().to_vec();
                let outcome = bench.ingress(&incoming(&packet));
                assert_eq!(outcome.frame, outgoing(&packet, new));
                let size = outcome.frame.len() as u64 - 14;
                let counted = bench.leases6()[direction];
                assert_eq!(forwarded(&counted), (packets, packets * size));
            }
        }
    }
}

/// The kernel's helpers look whether a device has to finish such a checksum.
#[test]
fn a_whole_ipv6_checksum_that_looks_like_an_unfinished_one_is_right() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let mut packet = Packet6::new(protocol, ends);
            packet.payload = vec![0, 0];
            let looks = |frame: &[u8]| word(frame, check6_at(frame)) == pseudo(frame, 14 + 40);
            let found = (0..=u16::MAX).find(|word| {
                packet.payload = word.to_be_bytes().to_vec();
                looks(&packet.frame())
            });
            packet.payload = found.unwrap().to_be_bytes().to_vec();
            let outcome = bench.ingress(&incoming(&packet));
            assert_eq!(outcome.action, TC_ACT_REDIRECT);
            assert_eq!(outcome.frame, outgoing(&packet, new));
        }
    }
}

#[test]
fn a_wrong_ipv6_checksum_stays_wrong_by_as_much_and_none_stays_none() {
    let wrong = |mut frame: Vec<u8>| {
        *frame.last_mut().unwrap() ^= 0x10;
        frame
    };
    // RFC 6935 allows it.
    let without = |mut frame: Vec<u8>| {
        set(&mut frame, check6_at, 0);
        frame
    };
    for (ends, new) in directions() {
        for protocol in PROTOCOLS {
            let packet = Packet6::new(protocol, ends);
            let outcome = leased(protocol, lease()).ingress(&wrong(incoming(&packet)));
            assert_eq!(outcome.action, TC_ACT_REDIRECT);
            assert_eq!(outcome.frame, wrong(outgoing(&packet, new)));
        }
        let packet = Packet6::new(UDP, ends);
        let outcome = leased(UDP, lease()).ingress(&without(incoming(&packet)));
        assert_eq!(outcome.action, TC_ACT_REDIRECT);
        assert_eq!(outcome.frame, without(outgoing(&packet, new)));
    }
}

#[test]
fn ipv6_without_a_valid_lease_or_by_another_interface_is_untouched() {
    for none in [
        Lease {
            until: 0,
            ..lease()
        },
        Lease {
            until: 1,
            ..lease()
        },
        Lease { iif: 2, ..lease() },
    ] {
        let bench = leased(TCP, none);
        for (ends, _) in directions() {
            assert_untouched(&bench, &incoming(&Packet6::new(TCP, ends)));
        }
    }
    let mut bench = Bench::empty();
    bench.set_leases6(TCP, [Lease::default(), lease()]);
    let [(request, _), (reply, _)] = directions();
    assert_untouched(&bench, &incoming(&Packet6::new(TCP, request)));
    let outcome = bench.ingress(&incoming(&Packet6::new(TCP, reply)));
    assert_eq!(outcome.action, TC_ACT_REDIRECT);
}

#[test]
fn ipv6_syn_fin_and_rst_go_to_ipvs_and_other_flags_do_not() {
    let bench = leased(TCP, lease());
    for (ends, _) in directions() {
        for flags in 0..=0xff {
            let mut frame = incoming(&Packet6::new(TCP, ends));
            frame[TCP_FLAGS] = flags;
            if flags & 0b111 == 0 {
                assert_eq!(bench.ingress(&frame).action, TC_ACT_REDIRECT);
            } else {
                assert_untouched(&bench, &frame);
            }
        }
    }
}

#[test]
fn ipv6_that_the_next_link_or_hop_would_not_take_goes_to_ipvs() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, _) in directions() {
            for hops in [0, 1] {
                let mut frame = incoming(&Packet6::new(protocol, ends));
                frame[HOP_LIMIT] = hops;
                assert_untouched(&bench, &frame);
            }
            let mut packet = Packet6::new(protocol, ends);
            let headers = packet.frame().len() - 14 - packet.payload.len();
            packet.payload = vec![1; 1500 - headers];
            assert_eq!(bench.ingress(&incoming(&packet)).action, TC_ACT_REDIRECT);
            packet.payload.push(1);
            assert_untouched(&bench, &incoming(&packet));
        }
    }
}

/// `net/ipv6/ip6_input.c: ip6_rcv_core()`.
#[test]
fn what_ip6_rcv_discards_is_left_to_it() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, _) in directions() {
            let frame = incoming(&Packet6::new(protocol, ends));
            let payload = frame.len() as u16 - TRANSPORT as u16;
            // A jumbogram says 0.
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
            // A length that fits hides a frame that does not.
            let mut large = Packet6::new(protocol, ends);
            large.payload = vec![1; 1501];
            let mut large = incoming(&large);
            set(&mut large, |_| PAYLOAD_LENGTH, 100);
            assert_untouched(&bench, &large);
        }
    }
    let bench = leased(TCP, lease());
    for (ends, _) in directions() {
        // Less than a header, and more than the packet has.
        for length in [0x40, 0xf0] {
            let mut frame = incoming(&Packet6::new(TCP, ends));
            frame[TCP_FLAGS - 1] = length;
            assert_untouched(&bench, &frame);
        }
    }
}

#[test]
fn ipv6_extension_headers_and_fragments_are_untouched() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, _) in directions() {
            // Hop-by-hop and destination options, a routing and an authentication
            // header, each of the least length, and the fragments of a datagram.
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
fn what_is_not_ipv6_tcp_or_udp_is_untouched_whatever_the_map_has() {
    // ICMPv6, IP in IP, IPv6 in IP, GRE, ESP, SCTP, UDP-Lite
    for protocol in [58, 4, 41, 47, 50, 132, 136] {
        let bench = leased(protocol, lease());
        for (ends, _) in directions() {
            assert_untouched(&bench, &incoming(&Packet6::new(protocol, ends)));
        }
    }
    let bench = leased(UDP, lease());
    for (ends, _) in directions() {
        let mut frame = incoming(&Packet6::new(UDP, ends));
        set(&mut frame, |_| 12, 0x0800);
        assert_untouched(&bench, &frame);
    }
}

#[test]
fn an_ipv6_packet_of_no_flow_is_untouched() {
    let bench = leased(TCP, lease());
    for (ends, _) in directions() {
        assert_untouched(&bench, &incoming(&Packet6::new(UDP, ends)));
        for end in [0, 1] {
            let mut packet = Packet6::new(TCP, ends);
            packet.ends[end].set_port(ends[end].port() ^ 1);
            assert_untouched(&bench, &incoming(&packet));
            // Each of the address's four words counts.
            for word in 0..4 {
                let mut packet = Packet6::new(TCP, ends);
                let address = u128::from(*ends[end].ip()) ^ 1 << (word * 32);
                packet.ends[end].set_ip(address.into());
                assert_untouched(&bench, &incoming(&packet));
            }
        }
        let backwards = [ends[1], ends[0]];
        assert_untouched(&bench, &incoming(&Packet6::new(TCP, backwards)));
    }
}
