// SPDX-License-Identifier: GPL-2.0-only
//! From client to accept(2): a server sees the client's address through a director that
//! sends it and the programs of `bpf/toa`.

use ipvs_bpf::toa::abi::Outcome;

use super::told::{LocalIps, Receiver};
use super::{FILE, PAIRS, client, lab, option};
use crate::talk::answer;

/// Answers like `lab/net/server.py`. accept(2) waits for data, and data may come with a SYN.
pub const DEFERRING: &str = r"
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

#[test]
fn a_server_sees_the_client_through_the_director() {
    let mut lab = lab();
    lab.exec("server1", &["sysctl", "-qw", "net.ipv4.tcp_fastopen=0x203"]);
    lab.start("server1", &["/usr/bin/python3", "-ISc", DEFERRING], "ready");
    let local_ips = LocalIps::at(&lab);
    let services = FILE.split_once("[[service]]").unwrap().1;
    let others = services.replace(":80\"", ":81\"").replace(":8080", ":8081");
    lab.apply(&local_ips.of(&format!("{FILE}[[service]]{others}")));
    let seen = || answer(&lab.get(&["http://10.0.0.1/"]));
    assert_eq!(seen().peer, local_ips.ipv4, "without the programs");
    let receiver = Receiver::new(&local_ips);

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
    assert_eq!(receiver.outcomes(), [(Outcome::Told, told)]);
    drop(receiver);
    assert_eq!(seen().peer, local_ips.ipv4, "without the programs");
}
