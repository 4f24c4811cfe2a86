// SPDX-License-Identifier: GPL-2.0-only
//! Floods of packets that nobody waits for. 100 established connections go on, at least 95
//! of 100 new ones are served at the first try during the flood and all of them after it,
//! and no session is left.

use std::thread::scope;

use crate::balance::none_left;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually};
use crate::many::program;
use crate::talk::Talk;

const WEB: (&str, u16) = ("10.0.0.1", 80);
/// The ports of the pool, and four times as many packets.
const PORTS: &str = "4000-8999";
const COUNT: &str = "20000";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.timeouts(["36000", "5", "5"]);
    // Answers to forged sources go to the client, which drops them.
    let route = ["ip", "route", "add", "198.18.0.0/15", "via", "10.1.0.2"];
    lab.exec("director", &route);
    for server in ["server1", "server2"] {
        // Otherwise a server keeps a forged connection half open for a minute.
        lab.exec(server, &["sysctl", "-qw", "net.ipv4.tcp_syncookies=2"]);
    }
    let pool = format!("addresses = [\"10.2.0.100\"]\nports = \"{PORTS}\"");
    lab.apply(&FILE.replace("addresses = [\"10.2.0.100\"]", &pool));
    lab
}

/// True if a new connection is served at the first try.
fn is_served(lab: &Lab) -> bool {
    let get = [
        "curl",
        "-sS",
        "--fail",
        "--max-time",
        "60",
        "http://10.0.0.1/",
    ];
    lab.try_exec("client", &get).status.success()
}

fn is_survived(flood: &[&str]) {
    let lab = lab();
    let mut talks: Vec<Talk> = (0..100).map(|_| Talk::new(&lab, "tcp", WEB)).collect();
    let before: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let mut tried = 0;
    let mut served = 0;
    scope(|scope| {
        let flood = scope.spawn(|| lab.exec("client", flood));
        while !flood.is_finished() || tried < 20 {
            for (talk, before) in talks.iter_mut().zip(&before).skip(tried % 10).step_by(10) {
                assert_eq!(talk.ask(), *before);
            }
            tried += 1;
            served += usize::from(is_served(&lab));
        }
    });
    assert!(served * 100 >= tried * 95, "{served} of {tried}");
    for _ in 0..20 {
        assert!(is_served(&lab));
    }
    let after: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(after, before);
    drop(talks);
    none_left(&lab);
    eventually("what was put together of fragments is gone", || {
        let text = lab.exec("director", &["cat", "/proc/net/sockstat"]);
        text.contains("FRAG: inuse 0")
    });
}

/// From forged sources, each with its own port from 1024 on.
fn flows(kind: &str, port: &str, count: &str) {
    let flows = program();
    let flood = ["10.0.0.1", port, count, "198.18.0.1", "1024"];
    is_survived(&[&[flows.to_str().unwrap(), kind], &flood[..]].concat());
}

fn packets(words: &[&str]) {
    is_survived(&[&["lab/net/packets.py"], words].concat());
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_syns_from_forged_sources_is_survived() {
    flows("syn", "80", COUNT);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_datagrams_from_forged_sources_is_survived() {
    flows("udp", "7", COUNT);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_from_every_port_of_one_client_is_survived() {
    flows("syn", "80", "64000");
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_from_source_port_0_is_survived() {
    packets(&["first", "198.18.0.1:0", "10.0.0.1:80", "tcp", COUNT]);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_fragments_that_nobody_completes_is_survived() {
    packets(&["hole", "198.18.0.1", "10.0.0.1", COUNT]);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_flood_of_broken_icmp_errors_is_survived() {
    let inner = ["10.2.0.100:4000", "10.2.0.2:8080"];
    let outer = ["fuzz", "1", COUNT, "198.18.0.1", "10.2.0.100"];
    packets(&[&outer[..], &inner].concat());
}
