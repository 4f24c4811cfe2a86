// SPDX-License-Identifier: GPL-2.0-only
//! Transfers and datagrams between cards: each byte arrives, and packets leave at XDP.

use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

use super::counted::{Counted, no_wrong_checksum, wrong_checksums};
use super::{VIPS, at_xdp, between_cards, file, talks};
use crate::cards::Cards;
use crate::lab::{Lab, eventually};
use crate::talk::{Talk, answer};
use crate::xdp::{program, sent_at_xdp};

const SIZE: u64 = 20_000_000;
/// At most as many bytes are in a segment.
const SEGMENT: u64 = 1460;

/// Downloads from a host, and prints the checksum of the data.
fn download(lab: &Lab, host: &str, from: &str) -> String {
    let url = format!("http://{from}/bytes/{SIZE}");
    let command = format!("curl -sS --fail --max-time 900 '{url}' | sha256sum | cut -d' ' -f1");
    lab.exec(host, &["sh", "-c", &command])
}

/// Uploads random data, and compares its checksum with that of the server.
fn upload(lab: &Lab, to: &str) {
    let script = format!(
        "set -e; file=/dev/shm/$$; head -c {SIZE} /dev/urandom >$file\n\
         here=$(sha256sum <$file | cut -d' ' -f1)\n\
         there=$(curl -sS --fail --max-time 900 -H Expect: --data-binary @$file 'http://{to}/')\n\
         rm $file; [ $here = $there ]"
    );
    lab.exec("client", &["sh", "-c", &script]);
}

/// The data segments of a transfer, but those of its first packets and of new leases.
const SEGMENTS: u64 = SIZE / SEGMENT * 99 / 100;

fn all_transfers(lab: &Lab) {
    let expected = download(lab, "server1", "10.2.0.2:8080");
    for vip in VIPS {
        let before = Counted::of_all_so_far(lab);
        assert_eq!(download(lab, "client", vip), expected, "{vip}");
        before.all_at_xdp(lab, SEGMENTS);
        let before = Counted::of_all_so_far(lab);
        upload(lab, vip);
        before.all_at_xdp(lab, SEGMENTS);
    }
    no_wrong_checksum(lab);
}

#[test]
#[ignore = "make test-drivers"]
fn transfers_of_both_families_arrive_whole_in_both_directions_and_leave_at_xdp() {
    all_transfers(&between_cards());
}

#[test]
#[ignore = "make test-drivers"]
fn a_director_with_one_arm_sends_back_by_the_card_where_a_packet_came_in() {
    let cards = Cards::one_armed();
    cards.apply(&file().replace("\"eth0\", ", ""));
    assert!(program(&cards, "eth1").is_some());
    let mut talks = talks(&cards);
    all_transfers(&cards);
    at_xdp(&cards, &mut talks);
    no_wrong_checksum(&cards);
}

/// Sizes of datagrams, from none to the largest that one frame holds.
fn sizes() -> impl Iterator<Item = usize> {
    (0..=1400).step_by(7).chain(1440..=1452)
}

#[test]
#[ignore = "make test-drivers"]
fn datagrams_of_all_sizes_arrive_with_the_right_checksum() {
    let cards = between_cards();
    let mut talks = talks(&cards);
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    for vip in ["10.0.0.1:7", "[fd00::1]:7"] {
        let to: SocketAddr = vip.parse().unwrap();
        let socket = cards.inside("client", || {
            let socket =
                Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)).unwrap();
            socket.connect(&to.into()).unwrap();
            std::net::UdpSocket::from(socket)
        });
        socket
            .set_read_timeout(Some(std::time::Duration::from_secs(120)))
            .unwrap();
        let before = Counted::of_all_so_far(&cards);
        for size in sizes() {
            let data: Vec<u8> = (0..size).map(|at| b'a' + (at % 23) as u8).collect();
            socket.send(&data).unwrap();
            let mut back = [0; 2000];
            let length = socket.recv(&mut back).unwrap();
            let words: Vec<&[u8]> = back[..length].splitn(5, |byte| *byte == b' ').collect();
            let [_, peer, _, length, start] = words[..] else {
                panic!("{words:?}");
            };
            let local_ip = if to.is_ipv4() {
                "10.2.0.100"
            } else {
                "fd00:2::100"
            };
            assert_eq!(peer, local_ip.as_bytes());
            assert_eq!(length, size.to_string().as_bytes());
            assert_eq!(start, &data[..size.min(1000)], "{size}");
        }
        // Each way, but the first ones.
        before.all_at_xdp(&cards, 2 * sizes().count() as u64 - 6);
    }
    assert_eq!(talks.iter_mut().map(Talk::ask).collect::<Vec<_>>(), first);
    no_wrong_checksum(&cards);
}

#[test]
#[ignore = "make test-drivers"]
fn datagrams_of_several_frames_arrive_next_to_those_that_leave_at_xdp() {
    let cards = between_cards();
    let mut talks = talks(&cards);
    for vip in ["10.0.0.1", "fd00::1"] {
        for size in [1473, 9000, 60000] {
            let text = cards.udp(vip, 7, &"x".repeat(size));
            assert_eq!(text.split(' ').nth(3), Some(size.to_string().as_str()));
            assert!(["10.2.0.100", "fd00:2::100"].contains(&&*answer(&text).peer));
        }
    }
    at_xdp(&cards, &mut talks);
    no_wrong_checksum(&cards);
}

/// Sends a datagram whose checksum is one too large, without a socket of UDP.
fn send_broken(lab: &Lab, source_port: u16, to: SocketAddr) {
    let source_port = source_port.to_be_bytes();
    let to_port = to.port().to_be_bytes();
    lab.inside("client", || {
        let raw = Socket::new(
            Domain::IPV4,
            Type::from(nix::libc::SOCK_RAW),
            Some(Protocol::UDP),
        )
        .unwrap();
        raw.connect(&to.into()).unwrap();
        let local = raw.local_addr().unwrap().as_socket_ipv4().unwrap();
        let SocketAddr::V4(to) = to else {
            panic!("{to}");
        };
        let data = b"broken";
        let length = (8 + data.len() as u16).to_be_bytes();
        let header = [source_port, to_port, length, [0, 0]].concat();
        let pseudo = [
            &local.ip().octets()[..],
            &to.ip().octets(),
            &[0, 17],
            &length,
            &header,
            data,
        ]
        .concat();
        let mut sum: u32 = pseudo
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        let wrong = (!(sum as u16)).wrapping_add(1).to_be_bytes();
        let packet = [&header[..6], &wrong, data].concat();
        raw.send(&packet).unwrap();
    });
}

#[test]
#[ignore = "make test-drivers"]
fn a_wrong_checksum_stays_wrong_at_xdp_and_the_server_sees_it() {
    let cards = between_cards();
    let mut talk = Talk::from(&cards, "client", "udp", ("10.1.0.2", 4000), ("10.0.0.1", 7));
    at_xdp(&cards, std::slice::from_mut(&mut talk));
    let server = talk.ask().server;
    // One that gets the next lease leaves by IPVS.
    let mut sent = 0;
    eventually("one of them leaves at XDP", || {
        let before = sent_at_xdp(&cards);
        send_broken(&cards, 4000, "10.0.0.1:7".parse().unwrap());
        sent += 1;
        eventually("the server counts it", || {
            wrong_checksums(&cards).get(&format!("{server} UdpInCsumErrors")) == Some(&sent)
        });
        sent_at_xdp(&cards) > before
    });
    assert_eq!(wrong_checksums(&cards).len(), 1);
}
