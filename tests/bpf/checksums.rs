// SPDX-License-Identifier: GPL-2.0-only
//! Checksums of packets that the fast path translates, for both families and both
//! programs.

use std::net::SocketAddr;

use super::HOOK;
use super::fast_path::{PAYLOAD, assert_untouched, each, incoming, leased, outgoing};
use crate::bench::{Hook, SENT};
use crate::family::{FAMILIES, Family};
use crate::flow::{TCP, UDP};
use crate::lease::{forwarded, lease};
use crate::packet::{pseudo, set, word};

/// The offset of the checksum of TCP or UDP.
fn check_at(family: Family, protocol: u8) -> usize {
    14 + family.header() + if protocol == TCP { 16 } else { 6 }
}

/// One-word payloads that bring the checksum close to 0 and 0xffff at each of these steps
/// of a translation, and other words.
fn words_around_zero(family: Family, protocol: u8, steps: &[[SocketAddr; 2]]) -> Vec<u16> {
    let mut words: Vec<u16> = (0..=u16::MAX).step_by(509).collect();
    for ends in steps {
        let step = family.frame(protocol, *ends, &[0, 0]);
        let check = word(&step, check_at(family, protocol));
        words.extend((0..7).map(|n| check.wrapping_sub(3).wrapping_add(n)));
    }
    words
}

#[test]
fn a_checksum_is_right_also_where_it_passes_through_0_and_0xffff_and_each_packet_is_counted() {
    each(|family, protocol, bench, direction, [old, new]| {
        let between = [0, 1].map(|end| SocketAddr::new(new[end].ip(), old[end].port()));
        let words = words_around_zero(family, protocol, &[old, between, new]);
        for (packets, word) in (1..).zip(words) {
            let payload = word.to_be_bytes();
            let outcome = bench.ingress(&incoming(family, protocol, old, &payload));
            assert_eq!(outcome.frame, outgoing(family, protocol, new, &payload));
            let size = outcome.frame.len() as u64 - 14;
            let counted = family.leases(bench)[direction];
            assert_eq!(forwarded(&counted), (packets, packets * size));
        }
    });
}

/// At tc, the kernel's helpers know whether a device has to complete such a checksum. XDP has no
/// such helper.
#[test]
fn a_whole_checksum_that_looks_like_an_unfinished_one_is_right() {
    each(|family, protocol, bench, _, [old, new]| {
        let looks = |frame: &[u8]| {
            word(frame, check_at(family, protocol)) == pseudo(frame, 14 + family.header())
        };
        let payload = (0..=u16::MAX)
            .map(u16::to_be_bytes)
            .find(|payload| looks(&family.frame(protocol, old, payload)))
            .unwrap();
        let frame = incoming(family, protocol, old, &payload);
        if HOOK == Hook::Xdp {
            assert_untouched(bench, &frame);
            return;
        }
        let outcome = bench.ingress(&frame);
        assert_eq!(outcome.action, SENT);
        assert_eq!(outcome.frame, outgoing(family, protocol, new, &payload));
    });
}

#[test]
fn a_wrong_checksum_stays_wrong_by_as_much() {
    let wrong = |mut frame: Vec<u8>| {
        *frame.last_mut().unwrap() ^= 0x10;
        frame
    };
    each(|family, protocol, bench, _, [old, new]| {
        let outcome = bench.ingress(&wrong(incoming(family, protocol, old, PAYLOAD)));
        assert_eq!(outcome.action, SENT);
        assert_eq!(
            outcome.frame,
            wrong(outgoing(family, protocol, new, PAYLOAD))
        );
    });
}

/// RFC 768; over IPv6 RFC 6935 allows it.
#[test]
fn a_datagram_without_checksum_stays_without() {
    for family in FAMILIES {
        let bench = leased(family, UDP, lease());
        for [old, new] in family.directions() {
            let without = |mut frame: Vec<u8>| {
                set(&mut frame, |_| check_at(family, UDP), 0);
                frame
            };
            let outcome = bench.ingress(&without(incoming(family, UDP, old, PAYLOAD)));
            assert_eq!(outcome.action, SENT);
            assert_eq!(outcome.frame, without(outgoing(family, UDP, new, PAYLOAD)));
        }
    }
}
