// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs_egress` under `BPF_PROG_TEST_RUN`: requests, client → server, become
//! local IP → server.

use std::net::SocketAddrV4;

use ipvs_bpf::datapath::abi::Counter;

use crate::bench::{Bench, TC_ACT_SHOT, TC_ACT_UNSPEC};
use crate::flow::{LOCAL_IP, PROTOCOLS, REQUEST, SERVER, SERVICE, TCP, UDP};
use crate::packet::{
    Packet, assert_checksums, ends, set, sums, transport_check, transport_check_at,
    words_around_zero,
};
use crate::test_run::Outcome;

const TRANSLATED: [SocketAddrV4; 2] = [LOCAL_IP, SERVER];

fn request(protocol: u8) -> Packet {
    Packet::new(protocol, REQUEST)
}

/// What a packet of the session must become: built anew, not rewritten.
fn translated(packet: &Packet) -> Vec<u8> {
    let ends = TRANSLATED;
    Packet {
        ends,
        ..packet.clone()
    }
    .frame()
}

#[track_caller]
fn assert_refused(bench: &mut Bench, frame: &[u8], counter: Counter) {
    let outcome = bench.egress(frame, SERVICE);
    assert_eq!(outcome.action, TC_ACT_SHOT);
    assert_eq!(outcome.frame, frame);
    assert_eq!(bench.take_counted(), [(counter, 1)]);
}

#[test]
fn a_request_leaves_from_the_local_ip_and_nothing_else_of_it_changes() {
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        let packet = request(protocol);
        let outcome = bench.egress(&packet.frame(), SERVICE);
        assert_eq!(outcome.action, TC_ACT_UNSPEC, "other filters have a say");
        assert_eq!(ends(&outcome.frame), TRANSLATED);
        assert_checksums(&outcome.frame);
        assert_eq!(outcome.frame, translated(&packet));
        assert_eq!(bench.counted(), [(Counter::Snat, 1)]);
    }
}

#[test]
fn a_request_with_ipv4_options_is_translated() {
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        for words in [1, 5, 10] {
            let mut packet = request(protocol);
            packet.options = vec![1; words * 4]; // no-operation
            let outcome = bench.egress(&packet.frame(), SERVICE);
            assert_checksums(&outcome.frame);
            assert_eq!(outcome.frame, translated(&packet));
        }
    }
}

#[test]
fn the_padding_of_a_short_frame_is_no_part_of_the_packet() {
    for protocol in PROTOCOLS {
        let mut packet = request(protocol);
        packet.payload = Vec::new();
        let pad = |mut frame: Vec<u8>| {
            frame.resize(60, 0xee);
            frame
        };
        let outcome = Bench::with_session(protocol).egress(&pad(packet.frame()), SERVICE);
        assert_checksums(&outcome.frame);
        assert_eq!(outcome.frame, pad(translated(&packet)));
    }
}

#[test]
fn a_request_without_udp_checksum_stays_without() {
    let packet = request(UDP);
    let outcome = Bench::with_session(UDP).egress(&packet.frame_without_checksum(), SERVICE);
    assert_eq!(ends(&outcome.frame), TRANSLATED);
    assert_eq!(transport_check(&outcome.frame), 0);
    assert_eq!(sums(&outcome.frame)[0], 0xffff);
}

#[test]
fn a_udp_checksum_that_becomes_0_is_written_as_0xffff() {
    let mut packet = request(UDP);
    packet.payload = vec![0, 0];
    // The word that lacks to a sum of all ones, whose complement is 0.
    let check = transport_check(&translated(&packet));
    packet.payload = check.to_be_bytes().to_vec();
    assert_ne!(transport_check(&packet.frame()), 0xffff);
    let outcome = Bench::with_session(UDP).egress(&packet.frame(), SERVICE);
    assert_eq!(transport_check(&outcome.frame), 0xffff);
    assert_checksums(&outcome.frame);
}

#[test]
fn a_checksum_is_right_also_where_it_passes_through_0_and_0xffff() {
    // The address is mended first, then the port.
    let steps = [
        REQUEST,
        [SocketAddrV4::new(*LOCAL_IP.ip(), REQUEST[0].port()), SERVER],
        TRANSLATED,
    ];
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        let mut packet = request(protocol);
        for word in words_around_zero(&packet, &steps) {
            packet.payload = word.to_be_bytes().to_vec();
            let outcome = bench.egress(&packet.frame(), SERVICE);
            assert_checksums(&outcome.frame);
            assert_eq!(outcome.frame, translated(&packet));
        }
    }
}

#[test]
fn a_checksum_that_was_wrong_stays_wrong() {
    for protocol in PROTOCOLS {
        let mut frame = request(protocol).frame();
        let wrong = transport_check(&frame) ^ 0x0100;
        set(&mut frame, transport_check_at, wrong);
        let outcome = Bench::with_session(protocol).egress(&frame, SERVICE);
        assert_eq!(ends(&outcome.frame), TRANSLATED);
        assert_ne!(sums(&outcome.frame)[1], 0xffff, "the server must see it");
    }
}

#[test]
fn a_packet_that_the_module_did_not_mark_passes_untouched() {
    let mut bench = Bench::with_session(TCP);
    let frame = request(TCP).frame();
    let untouched = Outcome {
        action: TC_ACT_UNSPEC,
        frame: frame.clone(),
    };
    assert_eq!(bench.egress(&frame, 0), untouched);
    assert_eq!(bench.counted(), []);
}

#[test]
fn a_request_of_an_unknown_service_is_dropped_and_counted() {
    let mut bench = Bench::with_session(TCP);
    for service in [1, SERVICE - 1, u16::MAX] {
        let outcome = bench.egress(&request(TCP).frame(), service);
        assert_eq!(outcome.action, TC_ACT_SHOT);
        assert_eq!(bench.take_counted(), [(Counter::NoService, 1)]);
    }
}

#[test]
fn the_highest_service_id_is_a_service_like_any_other() {
    let mut bench = Bench::with_session(TCP);
    let service = crate::flow::service(TCP);
    bench.services.set(u16::MAX.into(), service, 0).unwrap();
    let packet = request(TCP);
    let outcome = bench.egress(&packet.frame(), u16::MAX);
    assert_eq!(outcome.frame, translated(&packet));
}

#[test]
fn a_request_whose_session_is_gone_is_dropped_and_counted() {
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        let [(original, _), _] = crate::flow::entries(protocol);
        bench.sessions4.remove(&original).unwrap();
        let outcome = bench.egress(&request(protocol).frame(), SERVICE);
        assert_eq!(outcome.action, TC_ACT_SHOT);
        assert_eq!(bench.counted(), [(Counter::NoSession, 1)]);
    }
}

#[test]
fn another_clients_or_another_protocols_request_is_of_no_session() {
    let mut bench = Bench::with_session(TCP);
    let mut other = request(TCP);
    other.ends[0].set_port(REQUEST[0].port() + 1);
    assert_refused(&mut bench, &other.frame(), Counter::NoSession);
    assert_refused(&mut bench, &request(UDP).frame(), Counter::NoSession);
}

#[test]
fn a_fragment_is_dropped_and_counted() {
    let mut bench = Bench::with_session(UDP);
    for (_, fragment) in crate::ingress::FRAGMENTS {
        let mut packet = request(UDP);
        packet.fragment = fragment;
        assert_refused(&mut bench, &packet.frame(), Counter::Fragment);
    }
}

#[test]
fn what_is_not_ipv4_tcp_or_udp_is_dropped_and_counted() {
    let mut bench = Bench::with_session(TCP);
    for frame in crate::ingress::unreadable(REQUEST) {
        assert_refused(&mut bench, &frame, Counter::Unreadable);
    }
}

#[test]
fn a_packet_cut_short_before_its_ports_end_is_dropped_and_counted() {
    let mut bench = Bench::with_session(TCP);
    let frame = request(TCP).frame();
    // With less than an IPv4 header it is no test run: see wire.rs.
    for length in 14 + 20..14 + 20 + 4 {
        assert_refused(&mut bench, &frame[..length], Counter::Unreadable);
    }
}

#[test]
fn a_packet_cut_short_before_its_checksum_is_dropped_and_counted() {
    for (protocol, check_ends) in [(TCP, 18), (UDP, 8)] {
        let mut bench = Bench::with_session(protocol);
        let frame = request(protocol).frame();
        for length in 14 + 20 + 4..14 + 20 + check_ends {
            // What it has written already nobody gets to see.
            assert_eq!(bench.egress(&frame[..length], SERVICE).action, TC_ACT_SHOT);
            assert_eq!(bench.take_counted(), [(Counter::RewriteFailed, 1)]);
        }
    }
}
