// SPDX-License-Identifier: GPL-2.0-only
//! The same of IPv6; see `fast_path.rs`.

use std::net::SocketAddrV6;

use ipvs_bpf::datapath::abi::Lease;

use crate::bench::{Bench, TC_ACT_REDIRECT, TC_ACT_UNSPEC};
use crate::fast_path::assert_untouched;
use crate::flow::{TCP, UDP};
use crate::lease::{MACS, TO_US, forwarded, lease};
use crate::packet6::{
    ANSWER6, CLIENT6, LOCAL_IP6, Packet6, SERVER6, VIP6, assert_checksum6, check6_at,
};

const HOP_LIMIT: usize = 14 + 7;

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
fn an_ipv6_packet_with_a_lease_is_translated_whole_counted_and_redirected() {
    for protocol in [TCP, UDP] {
        let mut bench = leased(protocol, lease());
        for (at, (ends, new)) in directions().into_iter().enumerate() {
            let mut packet = Packet6::new(protocol, ends);
            for (packets, word) in (1..).zip((0..=u16::MAX).step_by(509)) {
                packet.payload = word.to_be_bytes().to_vec();
                let outcome = bench.ingress(&incoming(&packet));
                assert_eq!(outcome.action, TC_ACT_REDIRECT);
                assert_checksum6(&outcome.frame);
                assert_eq!(outcome.frame, outgoing(&packet, new));
                let counted = bench.leases6(protocol)[at];
                let size = outcome.frame.len() as u64 - 14;
                assert_eq!(forwarded(&counted), (packets, packets * size));
            }
        }
    }
}

#[test]
fn ipv6_without_a_valid_lease_is_left_to_the_classic_path() {
    for until in [0, 1] {
        let mut bench = leased(TCP, Lease { until, ..lease() });
        for (ends, _) in directions() {
            assert_untouched(&mut bench, &incoming(&Packet6::new(TCP, ends)));
        }
    }
}

#[test]
fn ipv6_flags_hops_sizes_and_extension_headers_that_ipvs_must_see_go_to_ipvs() {
    let mut bench = leased(TCP, lease());
    for (ends, _) in directions() {
        for flags in 0..=0xff {
            let mut frame = incoming(&Packet6::new(TCP, ends));
            let at = check6_at(&frame) - 16 + 13;
            frame[at] = flags;
            if flags & 0b111 == 0 {
                assert_eq!(bench.ingress(&frame).action, TC_ACT_REDIRECT);
            } else {
                assert_untouched(&mut bench, &frame);
            }
        }
        for hops in [0, 1] {
            let mut frame = incoming(&Packet6::new(TCP, ends));
            frame[HOP_LIMIT] = hops;
            assert_untouched(&mut bench, &frame);
        }
        let mut packet = Packet6::new(TCP, ends);
        packet.payload = vec![1; 1500 - 60];
        assert_eq!(bench.ingress(&incoming(&packet)).action, TC_ACT_REDIRECT);
        packet.payload.push(1);
        assert_untouched(&mut bench, &incoming(&packet));
        let mut lies = incoming(&Packet6::new(TCP, ends));
        lies.pop();
        assert_untouched(&mut bench, &lies);
        let mut version = incoming(&Packet6::new(TCP, ends));
        version[14] = 0x45;
        let outcome = bench.ingress(&version);
        assert_eq!((outcome.action, outcome.frame), (TC_ACT_UNSPEC, version));
        let mut short = incoming(&Packet6::new(TCP, ends));
        short[14 + 4..14 + 6].copy_from_slice(&[0, 19]);
        assert_untouched(&mut bench, &short);
        // A length that fits hides a frame that does not.
        let mut large = incoming(&packet);
        large[14 + 4..14 + 6].copy_from_slice(&[0, 100]);
        assert_untouched(&mut bench, &large);
        let mut jumbo = incoming(&Packet6::new(TCP, ends));
        jumbo[14 + 4..14 + 6].fill(0);
        assert_untouched(&mut bench, &jumbo);
        let mut extended = Packet6::new(TCP, ends);
        extended.extension = Some((60, vec![0, 1, 4, 0, 0, 0, 0]));
        assert_eq!(bench.ingress(&incoming(&extended)).action, TC_ACT_UNSPEC);
    }
}
