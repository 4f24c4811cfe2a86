// SPDX-License-Identifier: GPL-2.0-only
//! The fast path of `ipvs_ingress` under `BPF_PROG_TEST_RUN`: a packet of a
//! flow with a lease is translated whole and redirected; any other goes on
//! unchanged. `frames.rs` and `wire.rs` see where they arrive.

use std::net::SocketAddrV4;
use std::thread;

use ipvs_bpf::datapath::abi::{Lease, PACKET_BITS};

use crate::bench::{Bench, TC_ACT_REDIRECT, TC_ACT_UNSPEC};
use crate::flow::{ANSWER, CLIENT, LOCAL_IP, PROTOCOLS, SERVER, TCP, UDP, VIP};
use crate::lease::{MACS, TO_US, forwarded, lease};
use crate::packet::{
    Packet, assert_checksums, fill_checksums, pseudo, set, transport_check, transport_check_at,
    words_around_zero,
};
use crate::test_run::Outcome;

const TTL: usize = 14 + 8;
const TCP_FLAGS: usize = 14 + 20 + 13;

/// A session's two directions: what comes in, and what leaves.
fn directions() -> [([SocketAddrV4; 2], [SocketAddrV4; 2]); 2] {
    [([CLIENT, VIP], [LOCAL_IP, SERVER]), (ANSWER, [VIP, CLIENT])]
}

/// Both directions have that lease.
fn leased(protocol: u8, lease: Lease) -> Bench {
    let mut bench = Bench::empty();
    bench.set_leases4(protocol, [lease; 2]);
    bench
}

fn incoming(packet: &Packet) -> Vec<u8> {
    let mut frame = packet.frame();
    frame[..6].copy_from_slice(&TO_US);
    frame
}

/// The same packet as it leaves between these ends.
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

/// The packet goes on as if the program were not there.
#[track_caller]
pub fn assert_untouched(bench: &Bench, frame: &[u8]) {
    let untouched = Outcome {
        action: TC_ACT_UNSPEC,
        frame: frame.to_vec(),
    };
    assert_eq!(bench.ingress(frame), untouched);
    assert_eq!(bench.counted(), []);
}

#[test]
fn a_packet_with_a_lease_is_translated_whole_and_redirected() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let packet = Packet::new(protocol, ends);
            let outcome = bench.ingress(&incoming(&packet));
            assert_eq!(outcome.action, TC_ACT_REDIRECT);
            assert_checksums(&outcome.frame);
            assert_eq!(outcome.frame, outgoing(&packet, new));
        }
    }
}

#[test]
fn fast_packets_and_their_bytes_are_counted_by_direction() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (direction, (ends, _)) in directions().into_iter().enumerate() {
            let before = bench.leases4()[direction];
            let mut bytes = 0;
            for length in [0, 1, 700] {
                let mut packet = Packet::new(protocol, ends);
                packet.payload = vec![7; length];
                let mut frame = incoming(&packet);
                bytes += frame.len() as u64 - 14;
                // What fills a frame up to Ethernet's least is none of it.
                frame.extend([0; 9]);
                assert_eq!(bench.ingress(&frame).action, TC_ACT_REDIRECT);
            }
            let counted = bench.leases4()[direction];
            assert_eq!(forwarded(&counted), (3, bytes));
            let told = Lease {
                forwarded: 0,
                ..counted
            };
            assert_eq!(told, before, "the program writes nothing else");
        }
    }
}

#[test]
fn packets_that_several_cpus_forward_at_once_are_all_counted() {
    let bench = leased(UDP, lease());
    let frame = incoming(&Packet::new(UDP, [CLIENT, VIP]));
    let bytes = frame.len() as u64 - 14;
    let (cpus, packets) = (4, 20_000);
    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| (0..packets).for_each(|_| drop(bench.ingress(&frame))));
        }
    });
    let [counted, none] = bench.leases4();
    let all = cpus * packets;
    assert_eq!(forwarded(&counted), (all, all * bytes));
    assert_eq!(forwarded(&none), (0, 0));
}

#[test]
fn the_difference_of_two_counts_is_right_where_packets_or_bytes_overflow_between() {
    let packet = Packet::new(TCP, [CLIENT, VIP]);
    let frame = incoming(&packet);
    let bytes = frame.len() as u64 - 14;
    for before in [(1 << PACKET_BITS) - 2, u64::MAX - 1, u64::MAX] {
        let before = Lease {
            forwarded: before,
            ..lease()
        };
        let bench = leased(TCP, before);
        (0..5).for_each(|_| drop(bench.ingress(&frame)));
        let [after, _] = bench.leases4();
        let difference = Lease {
            forwarded: after.forwarded.wrapping_sub(before.forwarded),
            ..after
        };
        assert_eq!(forwarded(&difference), (5, 5 * bytes));
    }
}

#[test]
fn a_checksum_is_right_also_where_it_passes_through_0_and_0xffff() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let between = [
                SocketAddrV4::new(*new[0].ip(), ends[0].port()),
                SocketAddrV4::new(*new[1].ip(), ends[1].port()),
            ];
            let mut packet = Packet::new(protocol, ends);
            for word in words_around_zero(&packet, &[ends, between, new]) {
                packet.payload = word.to_be_bytes().to_vec();
                let outcome = bench.ingress(&incoming(&packet));
                assert_eq!(outcome.frame, outgoing(&packet, new));
            }
        }
    }
}

/// The kernel's helpers look whether a device has to finish such a checksum.
#[test]
fn a_whole_checksum_that_looks_like_an_unfinished_one_is_right() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let mut packet = Packet::new(protocol, ends);
            packet.payload = vec![0, 0];
            let looks = |frame: &[u8]| transport_check(frame) == pseudo(frame, 14 + 20);
            let word = (0..=u16::MAX).find(|word| {
                packet.payload = word.to_be_bytes().to_vec();
                looks(&packet.frame())
            });
            packet.payload = word.unwrap().to_be_bytes().to_vec();
            let outcome = bench.ingress(&incoming(&packet));
            assert_eq!(outcome.action, TC_ACT_REDIRECT);
            assert_eq!(outcome.frame, outgoing(&packet, new));
        }
    }
}

#[test]
fn a_wrong_checksum_stays_wrong_by_as_much() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let packet = Packet::new(protocol, ends);
            let (incoming, outgoing) = (incoming(&packet), outgoing(&packet, new));
            let last = incoming.len() - 1;
            // The identification, which only the header's checksum covers, and the
            // payload.
            for byte in [14 + 4, last] {
                let wrong = |frame: &[u8]| {
                    let mut frame = frame.to_vec();
                    frame[byte] ^= 0x10;
                    frame
                };
                let outcome = bench.ingress(&wrong(&incoming));
                assert_eq!(outcome.action, TC_ACT_REDIRECT);
                assert_eq!(outcome.frame, wrong(&outgoing));
            }
        }
    }
}

#[test]
fn a_datagram_without_checksum_stays_without() {
    let bench = leased(UDP, lease());
    for (ends, new) in directions() {
        let packet = Packet::new(UDP, ends);
        let without = |mut frame: Vec<u8>| {
            set(&mut frame, transport_check_at, 0);
            frame
        };
        let outcome = bench.ingress(&without(incoming(&packet)));
        assert_eq!(outcome.action, TC_ACT_REDIRECT);
        assert_eq!(outcome.frame, without(outgoing(&packet, new)));
    }
}

#[test]
fn the_padding_of_a_short_frame_is_no_part_of_the_packet() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, new) in directions() {
            let mut packet = Packet::new(protocol, ends);
            packet.payload = Vec::new();
            let padded = |mut frame: Vec<u8>| {
                frame.resize(60, 0xee);
                frame
            };
            let outcome = bench.ingress(&padded(incoming(&packet)));
            assert_eq!(outcome.action, TC_ACT_REDIRECT);
            assert_eq!(outcome.frame, padded(outgoing(&packet, new)));
        }
    }
}

#[test]
fn a_lease_that_ran_out_or_was_never_given_leaves_packets_alone() {
    for until in [0, 1] {
        let bench = leased(TCP, Lease { until, ..lease() });
        for (direction, (ends, _)) in directions().into_iter().enumerate() {
            assert_untouched(&bench, &incoming(&Packet::new(TCP, ends)));
            assert_eq!(bench.leases4()[direction].forwarded, 0);
        }
    }
}

/// The kernel's clock of 64 bits, as `bpf_jiffies64()` has it.
fn jiffies() -> u64 {
    let timers = std::fs::read_to_string("/proc/timer_list").unwrap();
    let line = timers
        .lines()
        .find_map(|line| line.strip_prefix("jiffies: "));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_lease_lasts_until_its_moment_of_the_whole_clock_and_no_longer() {
    let packet = incoming(&Packet::new(TCP, [CLIENT, VIP]));
    let mut bench = leased(TCP, lease());
    let mut verdict = |until| {
        bench.set_leases4(TCP, [Lease { until, ..lease() }; 2]);
        bench.ingress(&packet).action
    };
    let now = jiffies();
    // Hours away, also where the lower half of the clock says the contrary.
    let half = 1 << 32;
    for until in [
        now + 10_000_000,
        now + half,
        now + half - 10_000_000,
        u64::MAX,
    ] {
        assert_eq!(verdict(until), TC_ACT_REDIRECT, "{now} until {until}");
    }
    let ended = [now, now - 10_000_000, (now + 10_000_000).wrapping_sub(half)];
    for until in ended.into_iter().filter(|until| *until <= now) {
        assert_eq!(verdict(until), TC_ACT_UNSPEC, "{now} until {until}");
    }

    // One and the same, before and after.
    let until = jiffies() + 50;
    bench.set_leases4(TCP, [Lease { until, ..lease() }; 2]);
    loop {
        let before = jiffies();
        let action = bench.ingress(&packet).action;
        let after = jiffies();
        if after < until {
            assert_eq!(action, TC_ACT_REDIRECT);
        }
        if before >= until {
            assert_eq!(action, TC_ACT_UNSPEC);
            break;
        }
    }
}

#[test]
fn a_lease_of_one_direction_is_none_of_the_other() {
    let mut bench = Bench::empty();
    bench.set_leases4(UDP, [Lease::default(), lease()]);
    let [(request, _), (reply, _)] = directions();
    assert_untouched(&bench, &incoming(&Packet::new(UDP, request)));
    let outcome = bench.ingress(&incoming(&Packet::new(UDP, reply)));
    assert_eq!(outcome.action, TC_ACT_REDIRECT);
}

#[test]
fn syn_fin_and_rst_go_to_ipvs_and_other_flags_do_not() {
    let bench = leased(TCP, lease());
    for (ends, _) in directions() {
        for flags in 0..=0xff {
            let mut frame = incoming(&Packet::new(TCP, ends));
            frame[TCP_FLAGS] = flags;
            fill_checksums(&mut frame);
            if flags & 0b111 == 0 {
                assert_eq!(bench.ingress(&frame).action, TC_ACT_REDIRECT);
            } else {
                assert_untouched(&bench, &frame);
            }
        }
    }
}

#[test]
fn what_the_next_link_or_hop_would_not_take_goes_to_ipvs() {
    for protocol in PROTOCOLS {
        let bench = leased(protocol, lease());
        for (ends, _) in directions() {
            let mut packet = Packet::new(protocol, ends);
            let headers = packet.frame().len() - 14 - packet.payload.len();
            packet.payload = vec![1; 1500 - headers];
            assert_eq!(bench.ingress(&incoming(&packet)).action, TC_ACT_REDIRECT);
            packet.payload.push(1);
            assert_untouched(&bench, &incoming(&packet));
            for ttl in [0, 1] {
                let mut frame = incoming(&Packet::new(protocol, ends));
                frame[TTL] = ttl;
                fill_checksums(&mut frame);
                assert_untouched(&bench, &frame);
            }
        }
    }
}

/// `net/ipv4/ip_input.c: ip_rcv_core()`.
#[test]
fn what_ip_rcv_discards_is_left_to_it() {
    let bench = leased(UDP, lease());
    for (ends, _) in directions() {
        let packet = incoming(&Packet::new(UDP, ends));
        let longer = packet.len() as u16 - 14 + 1;
        for length in [0, 10, 27, longer, u16::MAX] {
            let mut lies = packet.clone();
            set(&mut lies, |_| 14 + 2, length);
            assert_untouched(&bench, &lies);
        }
        // A length that fits hides a frame that does not.
        let mut large = Packet::new(UDP, ends);
        large.payload = vec![1; 1501];
        let mut large = incoming(&large);
        set(&mut large, |_| 14 + 2, 100);
        assert_untouched(&bench, &large);
    }
    let bench = leased(TCP, lease());
    for (ends, _) in directions() {
        // Less than a header, and more than the packet has.
        for length in [0x40, 0xf0] {
            let mut frame = incoming(&Packet::new(TCP, ends));
            frame[TCP_FLAGS - 1] = length;
            assert_untouched(&bench, &frame);
        }
    }
}

#[test]
fn a_frame_for_another_host_is_not_forwarded() {
    let bench = leased(UDP, lease());
    for (ends, _) in directions() {
        let frame = Packet::new(UDP, ends).frame();
        assert_untouched(&bench, &frame);
    }
}

#[test]
fn a_packet_that_comes_in_by_another_interface_is_untouched() {
    for protocol in PROTOCOLS {
        let iif = 2;
        let bench = leased(protocol, Lease { iif, ..lease() });
        for (ends, _) in directions() {
            assert_untouched(&bench, &incoming(&Packet::new(protocol, ends)));
        }
    }
}

#[test]
fn options_fragments_and_headers_of_another_version_or_length_are_untouched() {
    let bench = leased(UDP, lease());
    for (ends, _) in directions() {
        for words in [1, 5, 10] {
            let mut packet = Packet::new(UDP, ends);
            packet.options = vec![1; words * 4]; // no-operation
            assert_untouched(&bench, &incoming(&packet));
        }
        // The first, one in the middle, the last.
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
fn what_is_not_ipv4_tcp_or_udp_is_untouched_whatever_the_map_has() {
    // ICMP, IP in IP, IPv6 in IP, GRE, ESP, SCTP, UDP-Lite
    for protocol in [1, 4, 41, 47, 50, 132, 136] {
        let bench = leased(protocol, lease());
        for (ends, _) in directions() {
            assert_untouched(&bench, &incoming(&Packet::new(protocol, ends)));
        }
    }
    let bench = leased(UDP, lease());
    for (ends, _) in directions() {
        // IPv6, ARP, PPPoE, an experimental one
        for ether_type in [0x86dd, 0x0806, 0x8864, 0x88b5] {
            let mut frame = incoming(&Packet::new(UDP, ends));
            set(&mut frame, |_| 12, ether_type);
            assert_untouched(&bench, &frame);
        }
    }
}

#[test]
fn a_packet_of_no_flow_is_untouched() {
    let bench = leased(TCP, lease());
    for (ends, _) in directions() {
        assert_untouched(&bench, &incoming(&Packet::new(UDP, ends)));
        for end in [0, 1] {
            let mut packet = Packet::new(TCP, ends);
            packet.ends[end].set_port(ends[end].port() ^ 1);
            assert_untouched(&bench, &incoming(&packet));
            let mut packet = Packet::new(TCP, ends);
            packet.ends[end].set_ip((u32::from(*ends[end].ip()) ^ 1).into());
            assert_untouched(&bench, &incoming(&packet));
        }
        let backwards = [ends[1], ends[0]];
        assert_untouched(&bench, &incoming(&Packet::new(TCP, backwards)));
    }
}
