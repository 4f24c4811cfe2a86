// SPDX-License-Identifier: GPL-2.0-only
//! An error that another socket also has is copied before it is rewritten. There may be no
//! memory for the copy.

use super::unsendable::send_error;
use super::{FAMILIES, file, session};
use crate::lab::{Lab, eventually};

/// A socket that keeps what comes to the director's interface, and reads nothing.
const KEEPS: &str = "\
import socket, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x800))
s.setsockopt(socket.SOL_SOCKET, 33, 100_000_000)  # SO_RCVBUFFORCE
s.bind(('eth1', 0x800))
print('ready', flush=True)
time.sleep(1e6)";

/// Links that take packets of 64 KiB. The server sends each in one piece of memory. The director
/// sends none to the client, so that the copies that succeed stay, too.
const LARGE: [(&str, &str); 4] = [
    (
        "switch",
        "for i in server1 server2 director switch; do ip link set $i mtu 65535; done",
    ),
    (
        "server1",
        "ip link set eth0 mtu 65535\nethtool -K eth0 sg off",
    ),
    (
        "director",
        "ip link set eth0 mtu 65535\nip link set eth1 mtu 65535\n\
         set -- $(ip neigh show 10.1.0.2 dev eth0)\n\
         ip neigh replace 10.1.0.2 lladdr $3 dev eth0 nud permanent\n\
         tc qdisc add dev eth0 root plug limit 100000000",
    ),
    ("client", "ip link set eth0 mtu 65535"),
];

#[test]
fn errors_without_memory_for_a_copy_are_dropped_and_counted() {
    let mut lab = Lab::alone();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    let family = &FAMILIES[0];
    session(&lab, family.vip);
    lab.start("director", &["/usr/bin/python3", "-ISc", KEEPS], "ready");
    for (host, script) in LARGE {
        lab.exec(host, &["sh", "-ec", script]);
    }
    let counted =
        || ["drop_icmp_rewrite_failed", "icmp_errors_to_client"].map(|name| lab.counter(name));
    let from = format!("{}:4444", family.local_ip);
    let send = ["lab/net/fragmented.py", &from, "10.2.0.2:1200", "100"];
    println!("{}", lab.exec("server1", &send));
    eventually("each is counted", || counted().iter().sum::<u64>() == 100);
    let [dropped, translated] = counted();
    println!("{dropped} dropped, {translated} translated");
    assert!(dropped > 0);
    // There is memory again.
    lab.exec("director", &["tc", "qdisc", "del", "dev", "eth0", "root"]);
    send_error(&lab, "server1", family, &["size=1000"]);
    eventually("the next one is translated", || {
        counted() == [dropped, translated + 1]
    });
}
