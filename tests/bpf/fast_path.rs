// SPDX-License-Identifier: GPL-2.0-only
//! The fast path under `BPF_PROG_TEST_RUN`, for both families and both programs. A packet of
//! a flow with a lease is translated completely and redirected. All other packets pass
//! unchanged. `checksums.rs` has the checksums, `fast_path4.rs` and `fast_path6.rs` have what
//! only one family has; `frames.rs` and `wire.rs` check where packets arrive.

use std::net::SocketAddr;
use std::thread;

use ipvs_bpf::datapath::abi::{Lease, PACKET_BITS};

use super::HOOK;
use crate::bench::{Bench, Hook, LEFT, SENT};
use crate::family::{FAMILIES, Family};
use crate::flow::{PROTOCOLS, TCP, UDP};
use crate::lease::{MACS, TO_US, forwarded, lease};
use crate::test_run::Outcome;

pub const PAYLOAD: &[u8] = b"an odd number of bytes.";

/// Gives both directions that lease.
pub fn leased(family: Family, protocol: u8, lease: Lease) -> Bench {
    let mut bench = Bench::empty(HOOK);
    family.set_leases(&mut bench, protocol, [lease; 2]);
    bench
}

/// A frame for this host.
pub fn to_us(mut frame: Vec<u8>) -> Vec<u8> {
    frame[..6].copy_from_slice(&TO_US);
    frame
}

pub fn incoming(family: Family, protocol: u8, ends: [SocketAddr; 2], payload: &[u8]) -> Vec<u8> {
    to_us(family.frame(protocol, ends, payload))
}

/// The packet after the translation, between these ends.
pub fn outgoing(family: Family, protocol: u8, ends: [SocketAddr; 2], payload: &[u8]) -> Vec<u8> {
    let mut frame = family.frame(protocol, ends, payload);
    frame[..12].copy_from_slice(&MACS.concat());
    family.hop(&mut frame);
    frame
}

/// Checks that the packet continues as if the program did not exist.
#[track_caller]
pub fn assert_untouched(bench: &Bench, frame: &[u8]) {
    let untouched = Outcome {
        action: LEFT,
        frame: frame.to_vec(),
    };
    assert_eq!(bench.ingress(frame), untouched);
    assert_eq!(bench.counted(), []);
}

/// Runs the test for each family, protocol and direction. It gets a bench with leases,
/// the number of the direction, and the ends before and after the translation.
pub fn each(test: impl Fn(Family, u8, &Bench, usize, [[SocketAddr; 2]; 2])) {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let bench = leased(family, protocol, lease());
            for (direction, ends) in family.directions().into_iter().enumerate() {
                test(family, protocol, &bench, direction, ends);
            }
        }
    }
}

fn tcp_flags(family: Family) -> usize {
    14 + family.header() + 13
}

#[test]
fn a_packet_with_a_lease_is_translated_whole_and_redirected() {
    each(|family, protocol, bench, _, [old, new]| {
        let outcome = bench.ingress(&incoming(family, protocol, old, PAYLOAD));
        assert_eq!(outcome.action, SENT);
        family.assert_checksums(&outcome.frame);
        assert_eq!(outcome.frame, outgoing(family, protocol, new, PAYLOAD));
    });
}

#[test]
fn fast_packets_and_their_bytes_are_counted_by_direction() {
    each(|family, protocol, bench, direction, [old, _]| {
        let before = family.leases(bench)[direction];
        let mut bytes = 0;
        for length in [0, 1, 700] {
            let mut frame = incoming(family, protocol, old, &vec![7; length]);
            bytes += frame.len() as u64 - 14;
            // The padding up to Ethernet's minimum size does not belong to the packet.
            frame.extend([0; 9]);
            assert_eq!(bench.ingress(&frame).action, SENT);
        }
        let counted = family.leases(bench)[direction];
        assert_eq!(forwarded(&counted), (3, bytes));
        let told = Lease {
            forwarded: 0,
            ..counted
        };
        assert_eq!(told, before, "the program writes nothing else");
    });
}

#[test]
fn packets_that_several_cpus_forward_at_once_are_all_counted() {
    for family in FAMILIES {
        let bench = leased(family, UDP, lease());
        let [[request, _], _] = family.directions();
        let frame = incoming(family, UDP, request, PAYLOAD);
        let bytes = frame.len() as u64 - 14;
        let (cpus, packets) = (4, 20_000);
        thread::scope(|scope| {
            for _ in 0..cpus {
                scope.spawn(|| (0..packets).for_each(|_| drop(bench.ingress(&frame))));
            }
        });
        let [counted, none] = family.leases(&bench);
        let all = cpus * packets;
        assert_eq!(forwarded(&counted), (all, all * bytes));
        let at_xdp = if HOOK == Hook::Xdp { all } else { 0 };
        assert_eq!(bench.sent_at_xdp(), at_xdp);
        assert_eq!(forwarded(&none), (0, 0));
    }
}

#[test]
fn the_difference_of_two_counts_is_right_where_packets_or_bytes_overflow_between() {
    for family in FAMILIES {
        let [[request, _], _] = family.directions();
        let frame = incoming(family, TCP, request, PAYLOAD);
        let bytes = frame.len() as u64 - 14;
        for before in [(1 << PACKET_BITS) - 2, u64::MAX - 1, u64::MAX] {
            let before = Lease {
                forwarded: before,
                ..lease()
            };
            let bench = leased(family, TCP, before);
            (0..5).for_each(|_| drop(bench.ingress(&frame)));
            let [after, _] = family.leases(&bench);
            let difference = Lease {
                forwarded: after.forwarded.wrapping_sub(before.forwarded),
                ..after
            };
            assert_eq!(forwarded(&difference), (5, 5 * bytes));
        }
    }
}

#[test]
fn a_lease_that_ran_out_or_was_never_given_leaves_packets_alone() {
    for family in FAMILIES {
        for until in [0, 1] {
            let bench = leased(family, TCP, Lease { until, ..lease() });
            for (direction, [old, _]) in family.directions().into_iter().enumerate() {
                assert_untouched(&bench, &incoming(family, TCP, old, PAYLOAD));
                assert_eq!(family.leases(&bench)[direction].forwarded, 0);
            }
        }
    }
}

/// The kernel's 64-bit clock, as from `bpf_jiffies64()`.
fn jiffies() -> u64 {
    let timers = std::fs::read_to_string("/proc/timer_list").unwrap();
    let line = timers
        .lines()
        .find_map(|line| line.strip_prefix("jiffies: "));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn a_lease_lasts_until_its_moment_of_the_whole_clock_and_no_longer() {
    FAMILIES.into_iter().for_each(lasts_until_its_moment);
}

fn lasts_until_its_moment(family: Family) {
    let [[request, _], _] = family.directions();
    let packet = incoming(family, TCP, request, PAYLOAD);
    let mut bench = leased(family, TCP, lease());
    let mut verdict = |until| {
        family.set_leases(&mut bench, TCP, [Lease { until, ..lease() }; 2]);
        bench.ingress(&packet).action
    };
    let now = jiffies();
    // Expired hours ago or valid for hours, even if the lower half of the clock says
    // otherwise.
    let half = 1 << 32;
    for until in [
        now + 10_000_000,
        now + half,
        now + half - 10_000_000,
        u64::MAX,
    ] {
        assert_eq!(verdict(until), SENT, "{now} until {until}");
    }
    let ended = [now, now - 10_000_000, (now + 10_000_000).wrapping_sub(half)];
    for until in ended.into_iter().filter(|until| *until <= now) {
        assert_eq!(verdict(until), LEFT, "{now} until {until}");
    }

    // The same lease before and after its end.
    let until = jiffies() + 50;
    family.set_leases(&mut bench, TCP, [Lease { until, ..lease() }; 2]);
    loop {
        let before = jiffies();
        let action = bench.ingress(&packet).action;
        let after = jiffies();
        if after < until {
            assert_eq!(action, SENT);
        }
        if before >= until {
            assert_eq!(action, LEFT);
            break;
        }
    }
}

#[test]
fn a_lease_is_for_one_direction() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let mut bench = Bench::empty(HOOK);
            family.set_leases(&mut bench, protocol, [Lease::default(), lease()]);
            let [[request, _], [reply, _]] = family.directions();
            assert_untouched(&bench, &incoming(family, protocol, request, PAYLOAD));
            let outcome = bench.ingress(&incoming(family, protocol, reply, PAYLOAD));
            assert_eq!(outcome.action, SENT);
        }
    }
}

#[test]
fn syn_fin_and_rst_go_to_ipvs_and_other_flags_do_not() {
    for family in FAMILIES {
        let bench = leased(family, TCP, lease());
        for [old, _] in family.directions() {
            for flags in 0..=0xff {
                let mut frame = incoming(family, TCP, old, PAYLOAD);
                frame[tcp_flags(family)] = flags;
                family.fill_tcp_checksum(&mut frame);
                if flags & 0b111 == 0 {
                    assert_eq!(bench.ingress(&frame).action, SENT);
                } else {
                    assert_untouched(&bench, &frame);
                }
            }
        }
    }
}

#[test]
fn packets_that_the_next_link_or_hop_would_refuse_go_to_ipvs() {
    each(|family, protocol, bench, _, [old, _]| {
        let headers = incoming(family, protocol, old, &[]).len() - 14;
        let mut payload = vec![1; 1500 - headers];
        let fits = incoming(family, protocol, old, &payload);
        assert_eq!(bench.ingress(&fits).action, SENT);
        payload.push(1);
        assert_untouched(bench, &incoming(family, protocol, old, &payload));
        for hops in [0, 1] {
            let mut frame = incoming(family, protocol, old, PAYLOAD);
            family.set_hops(&mut frame, hops);
            assert_untouched(bench, &frame);
        }
    });
}

/// As `net/ipv4/tcp_ipv4.c: tcp_v4_rcv()` and `tcp_v6_rcv()` discard it.
#[test]
fn a_tcp_header_shorter_than_itself_or_longer_than_the_packet_is_untouched() {
    for family in FAMILIES {
        let bench = leased(family, TCP, lease());
        for [old, _] in family.directions() {
            for length in [0x40, 0xf0] {
                let mut frame = incoming(family, TCP, old, PAYLOAD);
                frame[tcp_flags(family) - 1] = length;
                assert_untouched(&bench, &frame);
            }
        }
    }
}

#[test]
fn a_frame_for_another_host_is_not_forwarded() {
    each(|family, protocol, bench, _, [old, _]| {
        assert_untouched(bench, &family.frame(protocol, old, PAYLOAD));
    });
}

#[test]
fn a_packet_that_comes_in_by_another_interface_is_untouched() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let bench = leased(family, protocol, Lease { iif: 2, ..lease() });
            for [old, _] in family.directions() {
                assert_untouched(&bench, &incoming(family, protocol, old, PAYLOAD));
            }
        }
    }
}

#[test]
fn a_packet_of_no_flow_is_untouched() {
    for family in FAMILIES {
        let bench = leased(family, TCP, lease());
        for [old, _] in family.directions() {
            assert_untouched(&bench, &incoming(family, UDP, old, PAYLOAD));
            for end in [0, 1] {
                let mut other = old;
                other[end].set_port(old[end].port() ^ 1);
                assert_untouched(&bench, &incoming(family, TCP, other, PAYLOAD));
                for address in Family::other_addresses(old[end].ip()) {
                    let mut other = old;
                    other[end].set_ip(address);
                    assert_untouched(&bench, &incoming(family, TCP, other, PAYLOAD));
                }
            }
            let backwards = [old[1], old[0]];
            assert_untouched(&bench, &incoming(family, TCP, backwards, PAYLOAD));
        }
    }
}
