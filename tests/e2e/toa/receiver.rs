// SPDX-License-Identifier: GPL-2.0-only
//! From client to accept(2): a server sees the client's address through a director that
//! sends it and the programs of `bpf/toa`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;

use ipvs_bpf::model::Network;
use ipvs_bpf::toa::{self, abi::Outcome};

use super::{FILE, PAIRS, client, lab, option};
use crate::talk::answer;

/// No other test uses these.
const LOCAL_IPS: [&str; 2] = ["10.2.0.177", "fd00:2::177"];

/// Answers like `lab/net/server.py`. accept(2) waits for data, and data may come with a SYN.
const DEFERRING: &str = r"
import socket
s = socket.create_server(('', 8081), family=socket.AF_INET6, dualstack_ipv6=True)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 8)
print('ready', flush=True)
while True:
    c, peer = s.accept()
    assert c.recv(65536)
    c.sendall(b'HTTP/1.1 200 OK\r\n\r\nserver1 %s %d\n' % (peer[0].encode(), peer[1]))
    c.close()
";

/// The mount point of cgroup v2. Some hosts have version 1 as well.
fn root() -> File {
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let root = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let path = words.nth(1)?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(path))
    });
    File::open(root.expect("cgroup v2 is mounted")).unwrap()
}

#[test]
fn a_server_sees_the_client_through_the_director() {
    let mut lab = lab();
    lab.exec("server1", &["sysctl", "-qw", "net.ipv4.tcp_fastopen=0x203"]);
    lab.start("server1", &["/usr/bin/python3", "-ISc", DEFERRING], "ready");
    for address in ["10.2.0.177/24", "fd00:2::177/64"] {
        let words = ["ip", "addr", "add", address, "dev", "eth1", "nodad"];
        let words = if address.contains(':') {
            &words[..]
        } else {
            &words[..6]
        };
        lab.exec("director", words);
    }
    let [ipv4, ipv6] = LOCAL_IPS;
    let services = FILE.split_once("[[service]]").unwrap().1;
    let others = services.replace(":80\"", ":81\"").replace(":8080", ":8081");
    let file = format!("{FILE}[[service]]{others}")
        .replace("10.2.0.100", ipv4)
        .replace("fd00:2::100", ipv6);
    lab.apply(&file);
    let mut loaded = toa::load().unwrap();
    let trust: BTreeSet<Network> = LOCAL_IPS
        .into_iter()
        .map(|address| address.parse().unwrap())
        .map(|address: std::net::IpAddr| {
            Network::containing(address, if address.is_ipv4() { 32 } else { 128 })
        })
        .collect();
    let seen = || answer(&lab.get(&["http://10.0.0.1/"]));
    assert_eq!(seen().peer, ipv4, "without the programs");
    loaded.set_trust(&trust).unwrap();
    let links = loaded.attach(&root()).unwrap();

    // Every way to end a handshake, and an option that a client forges.
    let forged = option("203.0.113.9:9");
    let get = format!("get={forged}");
    let ack = format!("ack={forged}");
    let plain: [&[&str]; 3] = [
        &["syn", "ack", "get"],
        &["syn", "get"],
        &["syn", &ack, &get],
    ];
    let stray: [&[&str]; 2] = [&["syn", "stray", &ack, &get], &["syn", "stray", &get]];
    let fast_open: &[&str] = &["open", "answer"];
    // With a server that uses SYN cookies, and one that waits for data.
    let ways = plain.into_iter().chain(stray).map(|way| ("80", "1", way));
    let ways = ways.chain(plain.map(|way| ("80", "2", way)));
    let deferred = plain.into_iter().chain([fast_open]);
    let ways = ways.chain(deferred.map(|way| ("81", "1", way)));
    let mut told = 0;
    for (number, (vport, cookies, way)) in ways.enumerate() {
        let cookies = format!("net.ipv4.tcp_syncookies={cookies}");
        lab.exec("server1", &["sysctl", "-qw", &cookies]);
        for (from, vip) in PAIRS {
            let from = from.replace("4000", &format!("4{number:02}"));
            let vip = vip.replace(":80", &format!(":{vport}"));
            let seen = answer(&client(&lab, (&from, &vip), way));
            let (address, port) = from.rsplit_once(':').unwrap();
            let peer = seen.peer.trim_start_matches("::ffff:");
            assert_eq!(peer, address.trim_matches(['[', ']']), "{way:?}");
            assert_eq!(seen.port.to_string(), port, "{way:?}");
            told += 1;
        }
    }
    for (vip, port, clients) in [
        ("10.0.0.1", 45001, ["10.1.0.2", "10.1.0.3"]),
        ("[fd00::1]", 45002, ["fd00:1::2", "fd00:1::3"]),
    ] {
        let url = format!("http://{vip}/");
        let seen = answer(&lab.get(&["--local-port", &port.to_string(), &url]));
        assert!(clients.contains(&&*seen.peer), "{seen:?}");
        assert_eq!(seen.port, port);
        told += 1;
    }
    let totals = loaded.totals().unwrap();
    assert_eq!(totals.of(Outcome::Told), told);
    assert_eq!(totals.of(Outcome::Absent), 0);
    assert_eq!(totals.of(Outcome::Malformed), 0);
    drop(links);
    assert_eq!(seen().peer, ipv4, "without the programs");
}
