// SPDX-License-Identifier: GPL-2.0-only
//! The table of flows. A flow is found in any slot of its set, except while the module
//! writes the set.

use ipvs_bpf::datapath::abi::Lease;

use super::HOOK;
use crate::bench::{Bench, LEFT, SENT};
use crate::family::FAMILIES;
use crate::flow::PROTOCOLS;
use crate::lease::{TO_US, lease};

#[test]
fn a_flow_is_found_in_any_slot_of_its_set() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let mut bench = Bench::empty(HOOK);
            for place in 0..4 {
                bench.move_to(place);
                family.set_leases(&mut bench, protocol, [lease(); 2]);
                for [old, new] in family.directions() {
                    let mut frame = family.frame(protocol, old, b"hello");
                    frame[..6].copy_from_slice(&TO_US);
                    let outcome = bench.ingress(&frame);
                    assert_eq!(outcome.action, SENT, "{family:?}, slot {place}");
                    assert_eq!(family.ends(&outcome.frame), new);
                }
            }
        }
    }
}

#[test]
fn a_set_in_which_the_module_writes_leaves_packets_to_it() {
    for family in FAMILIES {
        let mut bench = Bench::empty(HOOK);
        let protocol = PROTOCOLS[0];
        family.set_leases(&mut bench, protocol, [lease(); 2]);
        for [old, _] in family.directions() {
            let mut frame = family.frame(protocol, old, b"hello");
            frame[..6].copy_from_slice(&TO_US);
            for (sequence, action) in [(1, LEFT), (2, SENT), (u32::MAX, LEFT), (0, SENT)] {
                bench.set_sequence(sequence);
                assert_eq!(bench.ingress(&frame).action, action, "{sequence}");
            }
        }
    }
}

#[test]
fn leases_of_another_generation_are_not_valid() {
    for family in FAMILIES {
        let mut bench = Bench::empty(HOOK);
        let protocol = PROTOCOLS[0];
        let of = |generation| Lease {
            generation,
            ..lease()
        };
        family.set_leases(&mut bench, protocol, [of(7), of(8)]);
        for (generation, actions) in [
            (7, [SENT, LEFT]),
            (8, [LEFT, SENT]),
            (9, [LEFT; 2]),
            (0, [LEFT; 2]),
        ] {
            bench.set_generation(generation);
            for ([old, _], action) in family.directions().into_iter().zip(actions) {
                let mut frame = family.frame(protocol, old, b"hello");
                frame[..6].copy_from_slice(&TO_US);
                assert_eq!(bench.ingress(&frame).action, action, "{generation}");
            }
        }
    }
}

#[test]
fn the_time_of_the_last_packet_is_kept_of_each_direction() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let mut bench = Bench::empty(HOOK);
            let over = Lease {
                until: 1,
                ..lease()
            };
            family.set_leases(&mut bench, protocol, [lease(), over]);
            for [old, _] in family.directions() {
                let mut frame = family.frame(protocol, old, b"hello");
                frame[..6].copy_from_slice(&TO_US);
                bench.ingress(&frame);
            }
            let [first, none] = family.last(&bench);
            assert_ne!(first, 0);
            assert_eq!(none, 0, "what the program does not forward counts for IPVS");
        }
    }
}
