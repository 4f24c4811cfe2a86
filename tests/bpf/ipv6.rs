// SPDX-License-Identifier: GPL-2.0-only
//! Both programs with IPv6 under `BPF_PROG_TEST_RUN`: what they translate is
//! compared with a packet that is built anew.

use std::net::SocketAddrV6;

use ipvs_bpf::datapath::abi::Counter;

use crate::bench::{Bench, TC_ACT_OK, TC_ACT_SHOT, TC_ACT_UNSPEC};
use crate::flow::{SERVICE, TCP, UDP};
use crate::packet::set;
use crate::packet6::{
    ANSWER6, CLIENT6, LOCAL_IP6, PROTOCOLS6, Packet6, REQUEST6, SCTP, SERVER6, check6_at, entries6,
    ported, tuple6,
};
use crate::test_run::Outcome;

/// Of a request at egress, and of a reply at ingress.
const TRANSLATED: [SocketAddrV6; 2] = [LOCAL_IP6, SERVER6];
const TO_CLIENT: [SocketAddrV6; 2] = [SERVER6, CLIENT6];

fn request(protocol: u8) -> Packet6 {
    Packet6::new(protocol, REQUEST6)
}

fn reply(protocol: u8) -> Packet6 {
    Packet6::new(protocol, ANSWER6)
}

#[track_caller]
fn assert_refused(bench: &mut Bench, frame: &[u8], counter: Counter) {
    let outcome = bench.egress(frame, SERVICE);
    assert_eq!(outcome.action, TC_ACT_SHOT);
    assert_eq!(outcome.frame, frame);
    assert_eq!(bench.take_counted(), [(counter, 1)]);
}

#[track_caller]
fn assert_untouched(bench: &mut Bench, frame: &[u8]) {
    let untouched = Outcome {
        action: TC_ACT_UNSPEC,
        frame: frame.to_vec(),
    };
    assert_eq!(bench.ingress(frame), untouched);
    assert_eq!(bench.counted(), []);
}

/// Destination options, an authentication header and a routing header, each of
/// the least length, and the fragments of a datagram.
fn extended(packet: &Packet6) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (number, bytes) in [
        (0, [0, 1, 4, 0, 0, 0, 0].to_vec()),
        (60, [0, 1, 4, 0, 0, 0, 0].to_vec()),
        (43, [0, 4, 0, 0, 0, 0, 0].to_vec()),
        (51, [0; 23].to_vec()),
        (44, [0, 0, 1, 9, 9, 9, 9].to_vec()),
        (44, [0, 5, 0x21, 9, 9, 9, 9].to_vec()),
        (44, [0, 5, 0x20, 9, 9, 9, 9].to_vec()),
    ] {
        let extension = Some((number, bytes));
        let packet = packet.clone();
        found.push(
            Packet6 {
                extension,
                ..packet
            }
            .frame(),
        );
    }
    found
}

#[test]
fn an_ipv6_request_leaves_from_the_local_ip_and_nothing_else_of_it_changes() {
    for protocol in PROTOCOLS6 {
        let mut bench = Bench::with_session6(protocol);
        let packet = request(protocol);
        let outcome = bench.egress(&packet.frame(), SERVICE);
        assert_eq!(outcome.action, TC_ACT_UNSPEC);
        assert_eq!(outcome.frame, packet.between(TRANSLATED).frame());
        assert_eq!(bench.counted(), [(Counter::Snat, 1)]);
    }
}

#[test]
fn an_ipv6_reply_goes_to_the_client_and_nothing_else_of_it_changes() {
    for protocol in PROTOCOLS6 {
        let mut bench = Bench::with_session6(protocol);
        let packet = reply(protocol);
        let outcome = bench.ingress(&packet.frame());
        assert_eq!(outcome.action, TC_ACT_OK);
        assert_eq!(outcome.frame, packet.between(TO_CLIENT).frame());
        assert_eq!(bench.counted(), [(Counter::Replies, 1)]);
    }
}

#[test]
fn an_ipv6_checksum_is_right_also_where_it_passes_through_0_and_0xffff() {
    let between = [
        SocketAddrV6::new(*LOCAL_IP6.ip(), CLIENT6.port(), 0, 0),
        SERVER6,
    ];
    for protocol in [TCP, UDP] {
        let mut bench = Bench::with_session6(protocol);
        let mut packet = request(protocol);
        packet.payload = vec![0, 0];
        let mut words: Vec<u16> = (0..=u16::MAX).step_by(1009).collect();
        for ends in [REQUEST6, between, TRANSLATED] {
            let frame = packet.between(ends).frame();
            let at = check6_at(&frame);
            let check = u16::from_be_bytes([frame[at], frame[at + 1]]);
            words.extend((0..7).map(|n| check.wrapping_sub(3).wrapping_add(n)));
        }
        for word in words {
            packet.payload = word.to_be_bytes().to_vec();
            let outcome = bench.egress(&packet.frame(), SERVICE);
            assert_eq!(outcome.frame, packet.between(TRANSLATED).frame());
        }
    }
}

#[test]
fn an_ipv6_datagram_without_checksum_stays_without() {
    let without = |packet: &Packet6| {
        let mut frame = packet.frame();
        set(&mut frame, check6_at, 0);
        frame
    };
    let (request, reply) = (request(UDP), reply(UDP));
    let mut bench = Bench::with_session6(UDP);
    let outcome = bench.egress(&without(&request), SERVICE);
    assert_eq!(outcome.frame, without(&request.between(TRANSLATED)));
    let outcome = bench.ingress(&without(&reply));
    assert_eq!(outcome.frame, without(&reply.between(TO_CLIENT)));
}

#[test]
fn extension_headers_and_fragments_are_left_to_the_module_at_ingress() {
    for protocol in PROTOCOLS6 {
        let mut bench = Bench::with_session6(protocol);
        for frame in extended(&reply(protocol)) {
            assert_untouched(&mut bench, &frame);
        }
    }
}

#[test]
fn extension_headers_and_fragments_are_dropped_and_counted_at_egress() {
    let mut bench = Bench::with_session6(UDP);
    for frame in extended(&request(UDP)) {
        let counter = match frame[14 + 6] {
            44 => Counter::Fragment,
            _ => Counter::Unreadable,
        };
        assert_refused(&mut bench, &frame, counter);
    }
}

#[test]
fn an_ipv6_packet_cut_short_is_none() {
    let mut bench = Bench::with_session6(TCP);
    for length in 14 + 40..14 + 40 + 4 {
        assert_untouched(&mut bench, &reply(TCP).frame()[..length]);
        let frame = &request(TCP).frame()[..length];
        assert_refused(&mut bench, frame, Counter::Unreadable);
    }
    for length in 14 + 40 + 4..14 + 40 + 18 {
        let frame = &request(TCP).frame()[..length];
        assert_eq!(bench.egress(frame, SERVICE).action, TC_ACT_SHOT);
        assert_eq!(bench.take_counted(), [(Counter::RewriteFailed, 1)]);
    }
}

#[test]
fn icmpv6_and_multicast_pass_untouched() {
    let mut bench = Bench::with_session6(UDP);
    let mut icmp = reply(UDP).frame();
    icmp[14 + 6] = 58;
    assert_untouched(&mut bench, &icmp);
    let mut multicast = reply(UDP);
    multicast.ends[1].set_ip("ff02::1".parse().unwrap());
    assert_untouched(&mut bench, &multicast.frame());
}

#[test]
fn the_families_do_not_mix() {
    let mut bench = Bench::with_session6(TCP);
    let ipv4 = crate::packet::Packet::new(TCP, crate::flow::REQUEST).frame();
    assert_refused(&mut bench, &ipv4, Counter::NoService);
    let mut bench = Bench::with_session(TCP);
    assert_refused(&mut bench, &request(TCP).frame(), Counter::NoService);
}

#[test]
fn an_ipv6_request_whose_session_is_gone_is_dropped_and_counted() {
    for protocol in PROTOCOLS6 {
        let mut bench = Bench::with_session6(protocol);
        let [(original, _), _] = entries6(protocol);
        bench.sessions6.remove(&original).unwrap();
        assert_refused(&mut bench, &request(protocol).frame(), Counter::NoSession);
    }
}

#[test]
fn an_entry_of_the_other_direction_is_no_session() {
    for protocol in PROTOCOLS6 {
        let mut bench = Bench::with_session6(protocol);
        let [(original, to_server), (_, to_client)] = entries6(protocol);
        let incoming = tuple6(protocol, ported(protocol, ANSWER6));
        bench.sessions6.insert(original, to_client, 0).unwrap();
        bench.sessions6.insert(incoming, to_server, 0).unwrap();
        assert_refused(&mut bench, &request(protocol).frame(), Counter::NoSession);
        assert_untouched(&mut bench, &reply(protocol).frame());
    }
}

#[test]
fn sctp_over_ipv4_keeps_its_ports_and_its_checksum() {
    use crate::flow::{ANSWER, CLIENT, LOCAL_IP, REQUEST, SERVER, VIP};
    use crate::packet::{Packet, sums};
    let ported = |ends: [std::net::SocketAddrV4; 2]| {
        ends.map(|mut end| {
            let client = [CLIENT.ip(), LOCAL_IP.ip()].contains(&end.ip());
            end.set_port(if client { CLIENT } else { VIP }.port());
            end
        })
    };
    let mut bench = Bench::empty();
    bench.set_service(SCTP);
    for (mut tuple, mut session) in crate::flow::entries(SCTP) {
        let (client, vip) = (CLIENT.port().to_be(), VIP.port().to_be());
        let original = tuple.sport_be == client;
        [tuple.sport_be, tuple.dport_be] = if original {
            [client, vip]
        } else {
            [vip, client]
        };
        [session.sport_be, session.dport_be] = [tuple.sport_be, tuple.dport_be];
        bench.sessions4.insert(tuple, session, 0).unwrap();
    }
    // Built as a UDP one with another number: bytes 4 to 11 are any.
    let frame = |ends| {
        let mut frame = Packet::new(UDP, ported(ends)).frame();
        frame[14 + 9] = SCTP;
        frame[14 + 20 + 4..14 + 20 + 12].copy_from_slice(&[1, 2, 3, 4, 0xc0, 0xff, 0xee, 0x11]);
        set(&mut frame, |_| 14 + 10, 0);
        let check = !sums(&frame)[0];
        set(&mut frame, |_| 14 + 10, check);
        frame
    };
    let outcome = bench.egress(&frame(REQUEST), SERVICE);
    assert_eq!(outcome.frame, frame([LOCAL_IP, SERVER]));
    let outcome = bench.ingress(&frame(ANSWER));
    assert_eq!(outcome.frame, frame([SERVER, CLIENT]));
    assert_eq!(bench.counted(), [(Counter::Snat, 1), (Counter::Replies, 1)]);
}
