// SPDX-License-Identifier: GPL-2.0-only
//! Single frames at real interfaces, with properties that a test run cannot have: tags,
//! truncated frames, packets in pages, other interfaces.

use ipvs_bpf::datapath::abi::Lease;
use nix::net::if_::if_nametoindex;

use crate::family::FAMILIES;
use crate::flow::{PROTOCOLS, TCP, UDP};
use crate::network::SIDES;
use crate::wire::{Fate, Wire};

const PAYLOAD: &[u8] = b"an odd number of bytes.";

#[test]
fn a_frame_with_a_whole_checksum_arrives_translated() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let wire = Wire::new(family, protocol);
            for direction in [0, 1] {
                let [incoming, outgoing] = wire.packet(direction, PAYLOAD);
                wire.send(direction, &incoming);
                assert_eq!(wire.fate(), Fate::Arrived(1 - direction, outgoing));
            }
        }
    }
}

#[test]
fn a_frame_cut_short_is_left_at_every_length() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let wire = Wire::new(family, protocol);
            for direction in [0, 1] {
                let [incoming, _] = wire.packet(direction, PAYLOAD);
                for length in 15..incoming.len() {
                    wire.assert_left(direction, &incoming[..length]);
                }
            }
        }
    }
}

#[test]
fn a_packet_that_ends_within_its_headers_is_left() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let wire = Wire::new(family, protocol);
            for direction in [0, 1] {
                let [incoming, _] = wire.packet(direction, &[]);
                for length in 14 + family.header()..incoming.len() {
                    let mut short = incoming[..length].to_vec();
                    family.set_length(&mut short);
                    wire.assert_left(direction, &short);
                }
            }
        }
    }
}

#[test]
fn a_frame_with_a_tag_is_left_also_where_it_has_only_a_priority() {
    for family in FAMILIES {
        let wire = Wire::new(family, UDP);
        for direction in [0, 1] {
            let [incoming, _] = wire.packet(direction, PAYLOAD);
            for tag in [[0x81, 0, 0, 7], [0x81, 0, 0x60, 0], [0x88, 0xa8, 0, 7]] {
                let mut tagged = incoming.clone();
                tagged.splice(12..12, tag);
                wire.send(direction, &tagged);
                // The kernel removes the tag.
                assert_eq!(wire.fate(), Fate::Left(incoming.clone()));
            }
        }
        assert_eq!(wire.counted(), [(0, 0); 2]);
    }
}

#[test]
fn a_frame_that_comes_in_by_another_interface_is_left() {
    for family in FAMILIES {
        let wire = Wire::new(family, UDP);
        for direction in [0, 1] {
            let [incoming, _] = wire.packet(direction, PAYLOAD);
            wire.assert_left(1 - direction, &incoming);
        }
    }
}

#[test]
fn a_frame_for_another_host_or_for_many_is_left() {
    for family in FAMILIES {
        let wire = Wire::new(family, UDP);
        for direction in [0, 1] {
            let [mut incoming, _] = wire.packet(direction, PAYLOAD);
            for mac in [[2, 0, 0, 0, 0, 9], [0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
                incoming[..6].copy_from_slice(&mac);
                wire.assert_left(direction, &incoming);
            }
        }
    }
}

#[test]
fn headers_outside_of_a_packets_linear_part_are_read_and_written() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let wire =
                Wire::new(family, protocol).with_leases(|lease| Lease { mtu: 9000, ..lease });
            for direction in [0, 1] {
                let [incoming, outgoing] = wire.packet(direction, &[0x5a; 8000]);
                wire.at_hosts[direction].send_paged(&incoming);
                assert_eq!(wire.fate(), Fate::Arrived(1 - direction, outgoing));
            }
        }
    }
}

#[test]
fn a_packet_as_large_as_the_mtu_arrives_and_a_larger_one_is_left() {
    for family in FAMILIES {
        for protocol in PROTOCOLS {
            let wire = Wire::new(family, protocol);
            for direction in [0, 1] {
                let headers = wire.packet(direction, &[])[0].len() - 14;
                let [incoming, outgoing] = wire.packet(direction, &vec![1; 1500 - headers]);
                wire.send(direction, &incoming);
                assert_eq!(wire.fate(), Fate::Arrived(1 - direction, outgoing));
                let [larger, _] = wire.packet(direction, &vec![1; 1501 - headers]);
                wire.assert_left(direction, &larger);
            }
        }
    }
}

#[test]
fn the_next_packet_follows_a_renewed_lease_also_back_out_of_its_own_interface() {
    for family in FAMILIES {
        let mut wire = Wire::new(family, TCP);
        wire.network.director.enter();
        let sides = SIDES.map(|side| if_nametoindex(side).unwrap());
        for out in [1, 0, 1] {
            wire = wire.with_leases(|lease| Lease {
                ifindex: sides[out],
                ..lease
            });
            let [incoming, outgoing] = wire.packet(0, PAYLOAD);
            wire.send(0, &incoming);
            assert_eq!(wire.fate(), Fate::Arrived(out, outgoing));
        }
        let wire = wire.with_leases(|lease| Lease { until: 1, ..lease });
        let [incoming, _] = wire.packet(0, PAYLOAD);
        wire.assert_left(0, &incoming);
    }
}
