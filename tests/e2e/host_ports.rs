// SPDX-License-Identifier: GPL-2.0-only
//! Local IPs that are also addresses of the director. Its own sockets use some of their
//! ports.

use std::collections::BTreeSet;

use crate::balance::balanced;
use crate::full_nat::FILE;
use crate::ipv6::FILE as FILE6;
use crate::lab::{Lab, eventually, stderr, success};
use crate::talk::{Talk, answer};

const LOCAL_IP: &str = "10.2.0.100";

/// Accepts on TCP and answers on UDP, each with its own text.
const LISTENER: &str = r"
import socket, sys, threading
address = sys.argv[1]
family = socket.AF_INET6 if ':' in address else socket.AF_INET
tcp = socket.socket(family, socket.SOCK_STREAM)
tcp.bind((address, int(sys.argv[2])))
tcp.listen()
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.bind((address, int(sys.argv[2])))
def answer():
    while True:
        udp.sendto(b'director', udp.recvfrom(100)[1])
threading.Thread(target=answer, daemon=True).start()
print('ready', flush=True)
while True:
    peer = tcp.accept()[0]
    peer.sendall(b'director')
    peer.close()
";

/// Asks the director over TCP and UDP, from a server.
const ASK: &str = r"
import socket, sys
to = sys.argv[1], int(sys.argv[2])
tcp = socket.create_connection(to, timeout=120)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.settimeout(120)
udp.sendto(b'x', to)
print(tcp.makefile().read(), udp.recv(100).decode())
";

fn sysctl(lab: &Lab, setting: &str) {
    lab.exec("director", &["sysctl", "-qw", setting]);
}

fn listen(lab: &mut Lab, address: &str, port: &str) {
    let words = ["/usr/bin/python3", "-ISc", LISTENER, address, port];
    lab.start("director", &words, "ready");
}

/// The file with one server for each service, and with these ports of the local IP.
fn one_server(ports: &str) -> String {
    FILE.replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", "")
        .replace("  [[service.server]]\n  address = \"10.2.0.3:7\"\n", "")
        .replace(
            r#"addresses = ["10.2.0.100"]"#,
            &format!("addresses = [\"{LOCAL_IP}\"]\nports = \"{ports}\""),
        )
}

fn full_nat_takes_all_but_the_hosts(kind: &str, vip: (&str, u16), server: (&str, u16)) {
    let mut lab = Lab::new();
    sysctl(&lab, "net.ipv4.ip_local_port_range=2000 2015");
    sysctl(&lab, "net.ipv4.ip_local_reserved_ports=2004-2005");
    listen(&mut lab, LOCAL_IP, "2020");
    listen(&mut lab, "0.0.0.0", "2021");
    lab.apply(&one_server("2000-2031"));
    // The director talks to the server from the local IP. The kernel picked the port of
    // one socket, the other one chose its own.
    let mut drawn = Talk::from(&lab, "director", kind, (LOCAL_IP, 0), server);
    let mut chosen = Talk::from(&lab, "director", kind, (LOCAL_IP, 2025), server);
    let port = drawn.ask().port;
    assert!((2000..=2015).contains(&port), "{port}");
    assert_eq!(chosen.ask().port, 2025);

    let mut talks = Vec::new();
    let mut taken = BTreeSet::new();
    let mut free: BTreeSet<u16> = (2016..=2031).chain([2004, 2005]).collect();
    for port in [port, 2020, 2021, 2025] {
        free.remove(&port);
    }
    while taken.len() < free.len() {
        let mut talk = Talk::new(&lab, kind, vip);
        let answer = talk.ask();
        assert_eq!(answer.peer, LOCAL_IP);
        assert!(free.contains(&answer.port), "{answer:?}");
        assert!(taken.insert(answer.port), "{answer:?} is taken twice");
        talks.push(talk);
    }
    let words = ["curl", "-sS", "--max-time", "120", "http://10.0.0.1/"];
    if kind == "tcp" {
        let refused = lab.try_exec("client", &words);
        assert_eq!(refused.status.code(), Some(7), "{refused:?}");
    } else {
        let refused = Talk::new(&lab, kind, vip).try_ask(120);
        assert!(refused.unwrap_err().contains("refused"));
    }
    assert_eq!(lab.counter("refused_ports_exhausted"), 1);

    // Neither side blocks the other.
    let another = Talk::from(&lab, "director", kind, (LOCAL_IP, 0), server).ask();
    assert!((2000..=2015).contains(&another.port), "{another:?}");
    assert_eq!(drawn.ask().port, port);
    assert_eq!(chosen.ask().port, 2025);
    for listener in [[LOCAL_IP, "2020"], ["10.2.0.1", "2021"]] {
        let words = [&["/usr/bin/python3", "-ISc", ASK], &listener[..]].concat();
        assert_eq!(lab.exec("server1", &words), "director director\n");
    }
    for talk in &mut talks {
        assert!(taken.contains(&talk.ask().port));
    }
    eventually("the refused connection is gone", || {
        balanced(&lab) == talks.len()
    });
}

#[test]
fn tcp_sessions_take_every_port_but_those_that_the_director_draws_or_uses() {
    full_nat_takes_all_but_the_hosts("tcp", ("10.0.0.1", 80), ("10.2.0.2", 8080));
}

#[test]
fn udp_sessions_take_every_port_but_those_that_the_director_draws_or_uses() {
    full_nat_takes_all_but_the_hosts("udp", ("10.0.0.1", 7), ("10.2.0.2", 7));
}

#[test]
fn a_port_that_the_director_draws_is_kept_where_it_is_reserved_or_the_address_only_routed() {
    let lab = Lab::new();
    lab.apply(FILE);
    let kept = |port: u16| {
        let text = lab.get(&["--local-port", &port.to_string(), "http://10.0.0.1/"]);
        let answer = answer(&text);
        assert_eq!(answer.peer, LOCAL_IP);
        answer.port == port
    };
    assert!(kept(4444));
    assert!(!kept(40_000));
    assert!(!kept(60_999));
    assert!(kept(61_000));
    sysctl(&lab, "net.ipv4.ip_local_reserved_ports=40001");
    assert!(kept(40_001));
    // This takes effect at once, both when the address is removed and when it is added
    // again.
    for server in ["server1", "server2"] {
        let route = ["ip", "route", "add", "10.2.0.100/32", "via", "10.2.0.1"];
        lab.exec(server, &route);
    }
    let address = |verb| ["ip", "addr", verb, "10.2.0.100/24", "dev", "eth1"];
    lab.exec("director", &address("del"));
    assert!(kept(40_002));
    lab.exec("director", &address("add"));
    assert!(!kept(40_003));
    assert!(kept(4445));
}

#[test]
fn ipv6_sessions_take_no_port_that_the_director_draws_or_listens_on() {
    let mut lab = Lab::new();
    listen(&mut lab, "fd00:2::100", "5000");
    listen(&mut lab, "::", "5001");
    lab.apply(FILE6);
    let seen = |port: u16| -> u16 {
        let text = lab.get(&["--local-port", &port.to_string(), "http://[fd00::1]/"]);
        answer(&text).port
    };
    assert_eq!(seen(4444), 4444);
    for port in [40_000, 5000, 5001] {
        assert_ne!(seen(port), port);
    }
    sysctl(&lab, "net.ipv4.ip_local_reserved_ports=40001");
    assert_eq!(seen(40_001), 40_001);
}

#[test]
fn plan_warns_of_a_pool_whose_ports_the_director_draws_and_refusals_name_the_pool() {
    let lab = Lab::new();
    let file = one_server("40000-40010");
    let warned = |arguments: &[&str]| {
        let output = lab.with_file(arguments, &file);
        stderr(&output).contains("uses all of the ports 40000-40010")
    };
    assert!(warned(&["plan"]));
    assert!(warned(&["apply"]));
    let refused = Talk::new(&lab, "udp", ("10.0.0.1", 7)).try_ask(120);
    assert!(refused.unwrap_err().contains("refused"));
    assert_eq!(lab.counter("refused_no_port"), 1);
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
    sysctl(&lab, "net.ipv4.ip_local_reserved_ports=8080");
    let plan = stderr(&lab.with_file(&["plan"], &file));
    let cure = "`sysctl net.ipv4.ip_local_reserved_ports=8080,40000-40010`";
    assert!(plan.contains(cure), "{plan}");
    sysctl(&lab, cure.trim_matches('`').trim_start_matches("sysctl "));
    assert!(!warned(&["plan"]));
    let port = Talk::new(&lab, "udp", ("10.0.0.1", 7)).ask().port;
    assert!((40_000..=40_010).contains(&port), "{port}");
    // The utilisation in the counters and in the listing.
    let show = success(&lab.ipvs_bpf(&["show", "--local-ips"]));
    assert!(show.contains("40000-40010"), "{show}");
}
