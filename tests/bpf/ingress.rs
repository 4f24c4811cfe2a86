// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs_ingress` under `BPF_PROG_TEST_RUN`: replies, server → local IP,
//! become server → client. That the service's id goes up with them is seen on
//! the wire (`wire.rs`): a test run does not give `tc_classid` back.

use std::net::SocketAddrV4;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use ipvs_bpf::datapath::abi::Counter;

use crate::bench::{Bench, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC};
use crate::flow::{ANSWER, CLIENT, LOCAL_IP, PROTOCOLS, SERVER, TCP, UDP, VIP};
use crate::packet::{
    Packet, assert_checksums, ends, set, sums, transport_check, transport_check_at,
    words_around_zero,
};
use crate::test_run::Outcome;

const TRANSLATED: [SocketAddrV4; 2] = [SERVER, CLIENT];

/// The IPv4 flags and offsets of a datagram's first, middle and last fragment.
pub const FRAGMENTS: [(&str, u16); 3] =
    [("first", 0x2000), ("middle", 0x2000 | 185), ("last", 185)];

/// Frames that the programs do not read, with the flow's bytes where IPv4 has
/// them: the kind alone tells.
pub fn unreadable(ends: [SocketAddrV4; 2]) -> Vec<Vec<u8>> {
    let frame = Packet::new(TCP, ends).frame();
    let mut found = Vec::new();
    for ether_type in [0x86dd, 0x0806, 0x8864, 0x88b5] {
        let mut other = frame.clone();
        set(&mut other, |_| 12, ether_type);
        found.push(other);
    }
    // ICMP, IP in IP, IPv6 in IP, GRE, ESP, UDP-Lite
    for protocol in [1, 4, 41, 47, 50, 136] {
        found.push(Packet::new(protocol, ends).frame());
    }
    // Tags of a VLAN
    let mut tagged = frame;
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    found.push(tagged);
    found
}

fn reply(protocol: u8) -> Packet {
    Packet::new(protocol, ANSWER)
}

fn translated(packet: &Packet) -> Vec<u8> {
    let ends = TRANSLATED;
    Packet {
        ends,
        ..packet.clone()
    }
    .frame()
}

#[track_caller]
fn assert_untouched(bench: &mut Bench, frame: &[u8]) {
    let outcome = bench.ingress(frame);
    let untouched = Outcome {
        action: TC_ACT_UNSPEC,
        frame: frame.to_vec(),
    };
    assert_eq!(outcome, untouched);
    assert_eq!(bench.counted(), []);
}

#[test]
fn a_reply_goes_to_the_client_and_nothing_else_of_it_changes() {
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        let packet = reply(protocol);
        let outcome = bench.ingress(&packet.frame());
        assert_eq!(outcome.action, TC_ACT_OK, "so that tc_classid goes up");
        assert_eq!(ends(&outcome.frame), TRANSLATED);
        assert_checksums(&outcome.frame);
        assert_eq!(outcome.frame, translated(&packet));
        assert_eq!(bench.counted(), [(Counter::Replies, 1)]);
    }
}

#[test]
fn a_reply_with_ipv4_options_is_translated() {
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        for words in [1, 5, 10] {
            let mut packet = reply(protocol);
            packet.options = vec![1; words * 4];
            let outcome = bench.ingress(&packet.frame());
            assert_checksums(&outcome.frame);
            assert_eq!(outcome.frame, translated(&packet));
        }
    }
}

#[test]
fn a_reply_without_udp_checksum_stays_without() {
    let packet = reply(UDP);
    let outcome = Bench::with_session(UDP).ingress(&packet.frame_without_checksum());
    assert_eq!(ends(&outcome.frame), TRANSLATED);
    assert_eq!(transport_check(&outcome.frame), 0);
    assert_eq!(sums(&outcome.frame)[0], 0xffff);
}

#[test]
fn a_checksum_is_right_also_where_it_passes_through_0_and_0xffff() {
    // The address is mended first, then the port.
    let steps = [
        ANSWER,
        [SERVER, SocketAddrV4::new(*CLIENT.ip(), ANSWER[1].port())],
        TRANSLATED,
    ];
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        let mut packet = reply(protocol);
        for word in words_around_zero(&packet, &steps) {
            packet.payload = word.to_be_bytes().to_vec();
            let outcome = bench.ingress(&packet.frame());
            assert_checksums(&outcome.frame);
            assert_eq!(outcome.frame, translated(&packet));
        }
    }
}

#[test]
fn a_checksum_that_was_wrong_stays_wrong() {
    for protocol in PROTOCOLS {
        let mut frame = reply(protocol).frame();
        let wrong = transport_check(&frame) ^ 0x0100;
        set(&mut frame, transport_check_at, wrong);
        let outcome = Bench::with_session(protocol).ingress(&frame);
        assert_eq!(ends(&outcome.frame), TRANSLATED);
        assert_ne!(sums(&outcome.frame)[1], 0xffff, "the client must see it");
    }
}

#[test]
fn a_packet_of_no_session_passes_untouched() {
    let mut bench = Bench::with_session(TCP);
    assert_untouched(&mut bench, &reply(UDP).frame());
    for end in [0, 1] {
        let mut packet = reply(TCP);
        packet.ends[end].set_port(ANSWER[end].port() ^ 1);
        assert_untouched(&mut bench, &packet.frame());
        let mut packet = reply(TCP);
        packet.ends[end].set_ip((u32::from(*ANSWER[end].ip()) ^ 1).into());
        assert_untouched(&mut bench, &packet.frame());
    }
    let backwards = Packet::new(TCP, [LOCAL_IP, SERVER]);
    assert_untouched(&mut bench, &backwards.frame());
}

#[test]
fn a_request_comes_in_untouched() {
    for protocol in PROTOCOLS {
        let mut bench = Bench::with_session(protocol);
        let original = Packet::new(protocol, [CLIENT, VIP]);
        assert_untouched(&mut bench, &original.frame());
    }
}

#[test]
fn a_fragment_passes_untouched() {
    let mut bench = Bench::with_session(UDP);
    for (which, fragment) in FRAGMENTS {
        println!("{which} fragment");
        let mut packet = reply(UDP);
        packet.fragment = fragment;
        assert_untouched(&mut bench, &packet.frame());
    }
}

#[test]
fn what_is_not_ipv4_tcp_or_udp_passes_untouched() {
    let mut bench = Bench::with_session(TCP);
    for frame in unreadable(ANSWER) {
        assert_untouched(&mut bench, &frame);
    }
}

#[test]
fn a_packet_cut_short_before_its_ports_end_passes_untouched() {
    let mut bench = Bench::with_session(TCP);
    let frame = reply(TCP).frame();
    // With less than an IPv4 header it is no test run: see wire.rs.
    for length in 14 + 20..14 + 20 + 4 {
        assert_untouched(&mut bench, &frame[..length]);
    }
}

#[test]
fn a_reply_cut_short_before_its_checksum_is_dropped_and_counted() {
    for (protocol, check_ends) in [(TCP, 18), (UDP, 8)] {
        let mut bench = Bench::with_session(protocol);
        let frame = reply(protocol).frame();
        for (times, length) in (1u64..).zip(14 + 20 + 4..14 + 20 + check_ends) {
            let outcome = bench.ingress(&frame[..length]);
            assert_eq!(outcome.action, TC_ACT_SHOT);
            assert_eq!(bench.counted(), [(Counter::RewriteFailed, times)]);
        }
    }
}

#[test]
fn each_cpu_counts_its_own_packets() {
    let mut bench = Bench::with_session(TCP);
    let frame = reply(TCP).frame();
    let thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(thread).unwrap();
    let cpus: Vec<usize> = (0..CpuSet::count())
        .filter(|cpu| allowed.is_set(*cpu).unwrap())
        .collect();
    let mut expected = vec![0; bench.on_each_cpu(Counter::Replies).len()];
    for (cpu, packets) in cpus.into_iter().zip(3..) {
        let mut one = CpuSet::new();
        one.set(cpu).unwrap();
        sched_setaffinity(thread, &one).unwrap();
        for _ in 0..packets {
            bench.ingress(&frame);
        }
        expected[cpu] = packets;
    }
    sched_setaffinity(thread, &allowed).unwrap();
    assert_eq!(bench.on_each_cpu(Counter::Replies), expected);
}
