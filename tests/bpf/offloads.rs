// SPDX-License-Identifier: GPL-2.0-only
//! Packets that a device must cut into segments, or that GRO has merged. They pass as one
//! packet. On a link without offloads, each segment must be correct.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::process::Command;

use ipvs_bpf::datapath::abi::Lease;
use nix::libc;

use crate::capture::Captured;
use crate::family::{FAMILIES, Family};
use crate::flow::{TCP, UDP};
use crate::network::{INTERFACE, SIDES};
use crate::option::set_option;
use crate::wire::{Fate, Wire, bytes, tcp_sockets, udp_sockets};

/// Sets offloads of an interface in the caller's namespace.
fn set_offloads(interface: &str, offloads: &[&str]) {
    let output = Command::new("ethtool")
        .args(["-K", interface])
        .args(offloads)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("ethtool starts: run `make deps`");
    assert!(
        output.status.success(),
        "ethtool -K {interface} {offloads:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Checks the frames' addresses, ports and checksums. No work may be left to a device.
fn assert_finished(family: Family, direction: usize, frames: &[Captured]) {
    let [_, ends] = family.directions()[direction];
    for captured in frames {
        assert!(!captured.partial && !captured.gso);
        assert_eq!(family.ends(&captured.frame), ends);
        family.assert_checksums(&captured.frame);
    }
}

/// A TCP packet of eight segments with that many bytes of options, before and after the
/// translation.
fn large(wire: &Wire, direction: usize, options: usize, segment: usize) -> [Vec<u8>; 2] {
    let mut payload = vec![1; options]; // no-operation
    payload.extend((0..8 * segment).map(|n| (n % 251) as u8));
    let at = 14 + wire.family.header() + 12;
    wire.packet(direction, &payload).map(|mut frame| {
        let words = (20 + options as u16) / 4;
        frame[at] = (words << 4) as u8;
        wire.family.fill_tcp_checksum(&mut frame);
        frame
    })
}

#[test]
fn a_packet_to_be_cut_passes_if_its_segments_fit_the_mtu_and_is_left_if_they_do_not() {
    for family in FAMILIES {
        for options in [0, 12, 40] {
            let wire = Wire::new(family, TCP);
            let transport = 14 + family.header();
            let headers = transport + 20 + options;
            let fits = 1500 + 14 - headers;
            for direction in [0, 1] {
                let send = |segment| {
                    let [incoming, outgoing] = large(&wire, direction, options, segment);
                    wire.at_hosts[direction].send_gso(&incoming, [transport, headers], segment);
                    [incoming, outgoing]
                };
                let [_, outgoing] = send(fits);
                assert_eq!(wire.fate(), Fate::Arrived(1 - direction, outgoing));
                let before = wire.counted();
                let [incoming, _] = send(fits + 1);
                assert_eq!(wire.fate(), Fate::Left(incoming));
                assert_eq!(wire.counted(), before);
            }
        }
    }
}

/// Sends through the connection. Returns the frames that arrived at the server's
/// interface.
fn stream(wire: &Wire) -> Vec<Captured> {
    let [mut client, mut server] = tcp_sockets(wire);
    let sent: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    client.write_all(&sent).unwrap();
    let mut received = vec![0; sent.len()];
    server.read_exact(&mut received).unwrap();
    assert!(received == sent);
    let headers = 14 + wire.family.header() + 20;
    wire.collect(1, |frames| bytes(frames, headers) >= sent.len())
}

#[test]
fn tcp_leaves_right_in_every_segment_by_a_link_without_offloads() {
    for family in FAMILIES {
        let wire = Wire::new(family, TCP);
        wire.network.director.enter();
        set_offloads(SIDES[1], &["tx", "off"]);
        let frames = stream(&wire);
        assert_finished(family, 0, &frames);
        let [(packets, _), _] = wire.counted();
        assert!(packets < frames.len() as u64, "none was cut");
    }
}

#[test]
fn tcp_segments_that_gro_has_put_together_pass_as_one_packet() {
    for family in FAMILIES {
        for checksums in ["on", "off"] {
            let wire = Wire::new(family, TCP);
            wire.network.director.enter();
            set_offloads(SIDES[0], &["gro", "on"]);
            wire.network.client.enter();
            set_offloads(INTERFACE, &["tso", "off", "tx", checksums]);
            let frames = stream(&wire);
            let [_, ends] = family.directions()[0];
            for captured in &frames {
                assert_eq!(family.ends(&captured.frame), ends);
                family.assert_checksums(&captured.frame);
            }
            let large = |captured: &Captured| captured.gso && captured.frame.len() > 1514;
            assert!(frames.iter().any(large));
        }
    }
}

const DATAGRAM: usize = 100;

/// Sends several datagrams of that size and a shorter one as one packet.
fn send_datagrams(wire: &Wire) -> [UdpSocket; 2] {
    let [client, server] = udp_sockets(wire);
    let level = libc::IPPROTO_UDP;
    set_option(&client, level, libc::UDP_SEGMENT, DATAGRAM as i32);
    client.send(&datagrams().concat()).unwrap();
    [client, server]
}

fn datagrams() -> Vec<Vec<u8>> {
    let sizes = [DATAGRAM, DATAGRAM, DATAGRAM, DATAGRAM, 33];
    (1..).zip(sizes).map(|(n, size)| vec![n; size]).collect()
}

#[track_caller]
fn assert_datagrams_arrive(wire: &Wire, server: &UdpSocket) {
    let mut buffer = [0; 2000];
    for datagram in datagrams() {
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], datagram);
    }
    let frames = wire.collect(1, |frames| frames.len() == datagrams().len());
    assert_finished(wire.family, 0, &frames);
}

/// The bytes of the IP and UDP headers and of the data from `send_datagrams()`.
fn bytes_sent(family: Family) -> u64 {
    (family.header() + 8 + datagrams().concat().len()) as u64
}

#[test]
fn udp_segments_leave_right_by_a_link_without_offloads_and_are_counted_as_one_packet() {
    for family in FAMILIES {
        let mtu = (family.header() + 8 + DATAGRAM) as u16;
        let wire = Wire::new(family, UDP).with_leases(|lease| Lease { mtu, ..lease });
        wire.network.director.enter();
        set_offloads(SIDES[1], &["tx", "off"]);
        let [_client, server] = send_datagrams(&wire);
        assert_datagrams_arrive(&wire, &server);
        assert_eq!(wire.counted()[0], (1, bytes_sent(family)));
    }
}

#[test]
fn udp_segments_that_do_not_fit_the_mtu_are_left() {
    for family in FAMILIES {
        let mtu = (family.header() + 8 + DATAGRAM - 1) as u16;
        let wire = Wire::new(family, UDP).with_leases(|lease| Lease { mtu, ..lease });
        let [client, server] = send_datagrams(&wire);
        client.send(b"small").unwrap();
        let mut buffer = [0; 2000];
        let length = server.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"small");
        assert_eq!(wire.counted()[0], (1, family.header() as u64 + 8 + 5));
    }
}

#[test]
fn datagrams_that_gro_has_put_together_leave_right_and_are_counted_as_one_packet() {
    for family in FAMILIES {
        let wire = Wire::new(family, UDP);
        wire.network.director.enter();
        set_offloads(SIDES[0], &["gro", "on", "rx-udp-gro-forwarding", "on"]);
        set_offloads(SIDES[1], &["tx", "off"]);
        wire.network.client.enter();
        set_offloads(INTERFACE, &["tx-udp-segmentation", "off"]);
        let [_client, server] = send_datagrams(&wire);
        assert_datagrams_arrive(&wire, &server);
        assert_eq!(wire.counted()[0], (1, bytes_sent(family)));
    }
}
