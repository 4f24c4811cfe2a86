// SPDX-License-Identifier: GPL-2.0-only
//! Errors that the director cannot send on: it has no route, or they are too large. Nobody is
//! told, because an error about an error is forbidden.

use super::{FAMILIES, Family, file, session};
use crate::lab::{Lab, eventually};

/// Sends an error about a packet of the session to the director, from `server1` or `client`.
pub fn send_error(lab: &Lab, host: &str, family: &Family, keys: &[&str]) {
    let is_ipv6 = family.vip.contains(':');
    let (from, to, ports) = match (host, is_ipv6) {
        ("server1", false) => ("10.2.0.2", family.local_ip, ["4444", "1200"]),
        ("server1", true) => ("fd00:2::2", family.local_ip, ["4444", "1200"]),
        (_, false) => ("10.1.0.2", family.vip, ["12", "4444"]),
        (_, true) => ("fd00:1::2", family.vip, ["12", "4444"]),
    };
    let inner = [
        format!("[{to}]:{}", ports[0]),
        format!("[{from}]:{}", ports[1]),
    ];
    let words = [
        "lab/net/packets.py",
        "error",
        from,
        to,
        &inner[0],
        &inner[1],
    ];
    lab.exec(host, &[&words[..], keys].concat());
}

/// The hosts that send errors, and the addresses to which those go.
const WAYS: [(&str, [&str; 2]); 2] = [
    ("server1", ["10.1.0.2", "fd00:1::2"]),
    ("client", ["10.2.0.2", "fd00:2::2"]),
];

#[test]
fn errors_without_a_route_are_dropped_and_counted() {
    let mut lab = Lab::new();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    let counts = [
        "drop_icmp_no_route",
        "icmp_errors_to_client",
        "icmp_errors_to_server",
    ];
    let counted = || counts.map(|name| lab.counter(name));
    for (number, family) in FAMILIES.iter().enumerate() {
        session(&lab, family.vip);
        for (host, to) in WAYS {
            let [dropped, to_client, to_server] = counted();
            let route = |verb| ["ip", "route", verb, "unreachable", to[number]];
            lab.exec("director", &route("add"));
            send_error(&lab, host, family, &[]);
            eventually("it is dropped", || {
                counted() == [dropped + 1, to_client, to_server]
            });
            lab.exec("director", &route("del"));
            send_error(&lab, host, family, &[]);
            eventually("the next one is translated", || {
                counted().iter().sum::<u64>() == dropped + 1 + to_client + to_server + 1
            });
        }
    }
    assert_eq!(counted(), [4, 2, 2]);
    assert_eq!(lab.counter("drop_no_route"), 0);
    assert_eq!(lab.counter("drop_reply_no_route"), 0);
}

#[test]
fn errors_larger_than_the_mtu_are_dropped_and_counted() {
    let mut lab = Lab::new();
    lab.apply(&file());
    lab.start("server1", &["lab/net/udp.py", "echo", "1200"], "ready");
    let counts = [
        "drop_icmp_too_big",
        "icmp_errors_to_client",
        "icmp_errors_to_server",
    ];
    let counted = || counts.map(|name| lab.counter(name));
    // Routers cannot fragment it.
    let large = ["size=1350", "df=1"];
    for family in &FAMILIES {
        session(&lab, family.vip);
        for ((host, _), out) in WAYS.iter().zip(["eth0", "eth1"]) {
            let [dropped, to_client, to_server] = counted();
            let mtu = |bytes| ["ip", "link", "set", out, "mtu", bytes];
            lab.exec("director", &mtu("1300"));
            send_error(&lab, host, family, &large);
            eventually("it is dropped", || {
                counted() == [dropped + 1, to_client, to_server]
            });
            lab.exec("director", &mtu("1500"));
            send_error(&lab, host, family, &large);
            eventually("the next one is translated", || {
                counted().iter().sum::<u64>() == dropped + 1 + to_client + to_server + 1
            });
        }
    }
    assert_eq!(counted(), [4, 2, 2]);
    assert_eq!(lab.counter("drop_too_big"), 0);
    assert_eq!(lab.counter("drop_reply_too_big"), 0);
}
