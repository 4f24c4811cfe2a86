// SPDX-License-Identifier: GPL-2.0-only
//! The tests that both programs pass, for the one at XDP, and what only that one has: the
//! address that a frame is sent to, tags, and devices that take no frames.

use ipvs_bpf::datapath::abi::Lease;

use crate::bench::{Bench, Hook, LEFT, SENT};
use crate::family::{FAMILIES, Family};
use crate::flow::{PROTOCOLS, UDP};
use crate::lease::{MACS, TO_US, forwarded, lease};
use crate::test_run::{XDP_PASS, XDP_REDIRECT, XDP_TX};
use fast_path::{assert_untouched, incoming, leased, outgoing};

// Both programs are compiled from the same source, so they share their tests.
#[allow(clippy::duplicate_mod, reason = "the tests run for both programs")]
#[path = "checksums.rs"]
mod checksums;
#[allow(clippy::duplicate_mod, reason = "the tests run for both programs")]
#[path = "fast_path.rs"]
mod fast_path;
#[allow(clippy::duplicate_mod, reason = "the tests run for both programs")]
#[path = "fast_path4.rs"]
mod fast_path4;
#[allow(clippy::duplicate_mod, reason = "the tests run for both programs")]
#[path = "fast_path6.rs"]
mod fast_path6;
#[allow(clippy::duplicate_mod, reason = "the tests run for both programs")]
#[path = "packet_fixtures.rs"]
mod packet_fixtures;
#[allow(clippy::duplicate_mod, reason = "the tests run for both programs")]
#[path = "table.rs"]
mod table;

/// The program that the tests run.
const HOOK: Hook = Hook::Xdp;

const PAYLOAD: &[u8] = b"an odd number of bytes.";

/// Runs the test for each family, protocol and direction, with these leases.
fn each(lease: Lease, test: impl Fn(Family, &Bench, usize, &[u8])) {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let bench = leased(family, protocol, lease);
            for (direction, [old, _]) in family.directions().into_iter().enumerate() {
                let frame = incoming(family, protocol, old, PAYLOAD);
                test(family, &bench, direction, &frame);
            }
        }
    }
}

#[test]
fn a_packet_leaves_by_the_interface_of_the_lease_or_back_where_it_came_from() {
    for (ifindex, action) in [(1, XDP_TX), (2, XDP_REDIRECT)] {
        let to = Lease { ifindex, ..lease() };
        each(to, |_, bench, _, frame| {
            assert_eq!(bench.raw_action(frame), action);
        });
    }
}

#[test]
fn a_device_that_may_lose_frames_gets_none() {
    for ifindex in [1, 2] {
        let without = Lease {
            xdp: 0,
            ifindex,
            ..lease()
        };
        each(without, |family, bench, direction, frame| {
            assert_untouched(bench, frame);
            assert_eq!(bench.raw_action(frame), XDP_PASS);
            assert_eq!(forwarded(&family.leases(bench)[direction]), (0, 0));
        });
    }
}

#[test]
fn every_bit_of_the_frames_destination_is_compared_and_none_of_its_source() {
    let us = [0x02, 0x35, 0x9a, 0xbc, 0xde, 0xf1];
    let lease = Lease { to: us, ..lease() };
    each(lease, |_, bench, _, frame| {
        let mut frame = frame.to_vec();
        assert_untouched(bench, &frame);
        frame[..6].copy_from_slice(&us);
        for source in [[0; 6], [0xff; 6], us] {
            frame[6..12].copy_from_slice(&source);
            assert_eq!(bench.ingress(&frame).action, SENT);
        }
        for bit in 0..48 {
            let mut other = frame.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_untouched(bench, &other);
        }
    });
}

#[test]
fn a_frame_with_a_tag_is_untouched() {
    each(lease(), |_, bench, _, frame| {
        assert_eq!(bench.ingress(frame).action, SENT);
        for tag in [[0x81, 0, 0, 7], [0x81, 0, 0x60, 0], [0x88, 0xa8, 0, 7]] {
            let mut tagged = frame.to_vec();
            tagged.splice(12..12, tag);
            assert_untouched(bench, &tagged);
        }
    });
}

/// A device cuts no frame that a program at XDP sends.
#[test]
fn a_frame_of_joined_segments_is_untouched() {
    for family in FAMILIES {
        let bench = leased(family, UDP, lease());
        for [old, new] in family.directions() {
            let most = 1500 - family.header() - 8;
            let outcome = bench.ingress(&incoming(family, UDP, old, &vec![1; most]));
            assert_eq!(outcome.action, SENT);
            assert_eq!(outcome.frame, outgoing(family, UDP, new, &vec![1; most]));
            for size in [most + 1, 2 * most] {
                assert_untouched(&bench, &incoming(family, UDP, old, &vec![1; size]));
            }
        }
    }
}

#[test]
fn a_frame_that_ends_within_its_headers_is_untouched() {
    each(lease(), |family, bench, _, frame| {
        let least = 14 + family.header() + 1;
        for length in least..frame.len() {
            assert_untouched(bench, &frame[..length]);
        }
        assert_eq!(bench.ingress(frame).action, SENT);
    });
}

#[test]
fn the_program_at_tc_finds_the_same_lease_and_makes_the_same_frame() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let both = [Hook::Tc, Hook::Xdp].map(|hook| {
                let mut bench = Bench::empty(hook);
                family.set_leases(&mut bench, protocol, [lease(); 2]);
                bench
            });
            for [old, _] in family.directions() {
                let frame = incoming(family, protocol, old, PAYLOAD);
                let [tc, xdp] = [0, 1].map(|hook: usize| both[hook].ingress(&frame));
                assert_eq!(tc, xdp);
                assert_eq!(tc.frame[..12], MACS.concat());
                assert_ne!(tc.action, LEFT);
            }
        }
    }
    assert_eq!(lease().to, TO_US);
}
