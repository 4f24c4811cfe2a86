// SPDX-License-Identifier: GPL-2.0-only
//! The eBPF programs on this host's own kernel, fed with packets by
//! `BPF_PROG_TEST_RUN`.

mod run;

use etherparse::{Ipv4HeaderSlice, PacketBuilder, TcpHeaderSlice, UdpHeaderSlice};
use run::{Action, Flow, Programs};

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Id of the service VIP:80 in these tests.
const SERVICE: u16 = 7;

const CLIENT: ([u8; 4], u16) = ([10, 1, 0, 2], 40000);
const VIP: ([u8; 4], u16) = ([10, 0, 0, 1], 80);
const LOCAL_IP: ([u8; 4], u16) = ([10, 2, 0, 100], 40001);
const SERVER: ([u8; 4], u16) = ([10, 2, 0, 2], 8080);

fn builder(
    from: ([u8; 4], u16),
    to: ([u8; 4], u16),
) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]).ipv4(from.0, to.0, 64)
}

fn packet(protocol: u8, from: ([u8; 4], u16), to: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    match protocol {
        TCP => builder(from, to)
            .tcp(from.1, to.1, 1000, 5000)
            .write(&mut packet, payload)
            .unwrap(),
        _ => builder(from, to)
            .udp(from.1, to.1)
            .write(&mut packet, payload)
            .unwrap(),
    }
    packet
}

/// With the session's entries, and the service.
fn programs(protocol: u8) -> Programs {
    let mut programs = Programs::load();
    programs.add_service(SERVICE, protocol, VIP);
    programs.add_session(
        SERVICE,
        &Flow {
            protocol,
            from: CLIENT,
            to: VIP,
        },
        &Flow {
            protocol,
            from: SERVER,
            to: LOCAL_IP,
        },
    );
    programs
}

/// Addresses and ports of a packet; its checksums must be right.
fn checked(packet: &[u8]) -> (([u8; 4], u16), ([u8; 4], u16)) {
    let ip = Ipv4HeaderSlice::from_slice(&packet[14..]).unwrap();
    let header = ip.to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    let transport = &packet[14 + ip.slice().len()..14 + usize::from(ip.total_len())];
    let (source, destination) = if header.protocol.0 == TCP {
        let tcp = TcpHeaderSlice::from_slice(transport).unwrap();
        let payload = &transport[tcp.slice().len()..];
        assert_eq!(
            tcp.checksum(),
            tcp.calc_checksum_ipv4(&ip, payload).unwrap()
        );
        (tcp.source_port(), tcp.destination_port())
    } else {
        let udp = UdpHeaderSlice::from_slice(transport).unwrap();
        if udp.checksum() != 0 {
            let right = udp
                .to_header()
                .calc_checksum_ipv4(&header, &transport[8..])
                .unwrap();
            assert_eq!(udp.checksum(), right);
        }
        (udp.source_port(), udp.destination_port())
    };
    ((ip.source(), source), (ip.destination(), destination))
}

#[test]
fn egress_turns_the_source_into_the_local_ip_and_all_checksums_are_right() {
    for protocol in [TCP, UDP] {
        let programs = programs(protocol);
        for payload in [&b""[..], b"x", b"hello, world", &[0xff; 1400]] {
            let sent = packet(protocol, CLIENT, SERVER, payload);
            let (action, got) = programs.egress(SERVICE, &sent);
            assert_eq!(action, Action::Next);
            assert_eq!(checked(&got), (LOCAL_IP, SERVER));
            assert!(got.ends_with(payload));
        }
        assert_eq!(programs.counter("IPVS_BPF_SNAT"), 4);
    }
}

#[test]
fn ingress_turns_a_reply_to_the_client_and_all_checksums_are_right() {
    for protocol in [TCP, UDP] {
        let programs = programs(protocol);
        let sent = packet(protocol, SERVER, LOCAL_IP, b"answer");
        let (action, got) = programs.ingress(&sent);
        assert_eq!(
            action,
            Action::Ok,
            "final, so that the service's id goes up"
        );
        assert_eq!(checked(&got), (SERVER, CLIENT));
        assert_eq!(programs.counter("IPVS_BPF_REPLIES"), 1);
    }
}

#[test]
fn a_packet_of_no_service_leaves_egress_untouched() {
    let programs = programs(TCP);
    let sent = packet(TCP, CLIENT, SERVER, b"x");
    assert_eq!(programs.egress(0, &sent), (Action::Next, sent));
}

#[test]
fn requests_and_strangers_pass_ingress_untouched() {
    let programs = programs(TCP);
    let stranger = ([10, 9, 9, 9], 1);
    for sent in [
        packet(TCP, CLIENT, VIP, b"the module's job"),
        packet(TCP, stranger, LOCAL_IP, b"no session"),
        packet(UDP, SERVER, LOCAL_IP, b"other protocol"),
    ] {
        assert_eq!(programs.ingress(&sent), (Action::Next, sent));
    }
}

#[test]
fn what_egress_cannot_translate_is_dropped_and_counted_by_its_reason() {
    let programs = programs(TCP);
    let request = packet(TCP, CLIENT, SERVER, b"x");

    assert_eq!(programs.egress(SERVICE + 1, &request).0, Action::Drop);
    assert_eq!(programs.counter("IPVS_BPF_NO_SERVICE"), 1);

    let ended = packet(TCP, (CLIENT.0, 9), SERVER, b"x");
    assert_eq!(programs.egress(SERVICE, &ended).0, Action::Drop);
    assert_eq!(programs.counter("IPVS_BPF_NO_SESSION"), 1);

    let mut fragment = request.clone();
    fragment[14 + 6] = 0x20; // more fragments
    assert_eq!(programs.egress(SERVICE, &fragment).0, Action::Drop);
    assert_eq!(programs.counter("IPVS_BPF_FRAGMENT"), 1);

    let mut icmp = request.clone();
    icmp[14 + 9] = 1;
    assert_eq!(programs.egress(SERVICE, &icmp).0, Action::Drop);
    let mut ipv6 = request.clone();
    ipv6[12..14].copy_from_slice(&[0x86, 0xdd]);
    assert_eq!(programs.egress(SERVICE, &ipv6).0, Action::Drop);
    let short = &request[..14 + 20 + 2];
    assert_eq!(programs.egress(SERVICE, short).0, Action::Drop);
    assert_eq!(programs.counter("IPVS_BPF_UNREADABLE"), 3);
}

#[test]
fn fragments_icmp_and_other_families_pass_ingress_untouched() {
    let programs = programs(UDP);
    let reply = packet(UDP, SERVER, LOCAL_IP, b"x");
    let change = |at: usize, byte: u8| {
        let mut packet = reply.clone();
        packet[at] = byte;
        packet
    };
    for sent in [
        change(14 + 6, 0x20),
        change(14 + 7, 1),
        change(14 + 9, 1),
        change(13, 6),
    ] {
        assert_eq!(programs.ingress(&sent), (Action::Next, sent));
    }
}

#[test]
fn ip_options_do_not_hide_the_ports() {
    let programs = programs(TCP);
    let plain = packet(TCP, CLIENT, SERVER, b"options");
    let mut ip = Ipv4HeaderSlice::from_slice(&plain[14..])
        .unwrap()
        .to_header();
    ip.options = [1u8; 8].into(); // no-operations
    ip.total_len += 8;
    ip.header_checksum = ip.calc_header_checksum();
    let mut sent = plain[..14].to_vec();
    ip.write(&mut sent).unwrap();
    sent.extend(&plain[34..]);
    let (action, got) = programs.egress(SERVICE, &sent);
    assert_eq!(action, Action::Next);
    assert_eq!(checked(&got), (LOCAL_IP, SERVER));
}

#[test]
fn a_udp_checksum_of_zero_stays_zero() {
    let programs = programs(UDP);
    let mut sent = packet(UDP, CLIENT, SERVER, b"x");
    sent[14 + 20 + 6..14 + 20 + 8].fill(0);
    let (_, got) = programs.egress(SERVICE, &sent);
    assert_eq!(got[14 + 20 + 6..14 + 20 + 8], [0, 0]);
    assert_eq!(checked(&got), (LOCAL_IP, SERVER));
}

#[test]
fn a_udp_checksum_that_becomes_zero_is_written_as_ones() {
    // RFC 768: zero would say that there is none. Some payload of two bytes
    // makes the translated packet's sum zero.
    let programs = programs(UDP);
    let found = (0..=u16::MAX).any(|word| {
        let translated = packet(UDP, LOCAL_IP, SERVER, &word.to_be_bytes());
        if translated[14 + 20 + 6..14 + 20 + 8] != [0xff, 0xff] {
            return false;
        }
        let sent = packet(UDP, CLIENT, SERVER, &word.to_be_bytes());
        let (_, got) = programs.egress(SERVICE, &sent);
        assert_eq!(got, translated);
        true
    });
    assert!(found);
}
