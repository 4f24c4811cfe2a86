// SPDX-License-Identifier: GPL-2.0-only
//! More connections than fit in 16 bits.

use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use super::both;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};

/// Makes connections from `ports` ports of each client address. They last as long as the
/// test on a slow machine. `count` returns how many there are.
fn flood(lab: &Lab, ports: u32, count: impl Fn() -> u64) {
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "7200"]);
    // The local IP is an address of the director, and the test needs nearly all of its
    // ports.
    let all = "net.ipv4.ip_local_reserved_ports=1024-65535";
    lab.exec("director", &["sysctl", "-qw", all]);
    // A queue of a busy host may lose datagrams. Those that arrived make no new connections.
    eventually("there is a connection of each port", || {
        lab.inside("client", || send(ports));
        count() == u64::from(2 * ports)
    });
}

fn send(ports: u32) {
    let service = SocketAddr::from(([10, 0, 0, 1], 9));
    for last in [2, 3] {
        for port in (10_000..).take(usize::try_from(ports).unwrap()) {
            let source = SocketAddr::from(([10, 1, 0, last], port));
            let socket = UdpSocket::bind(source).unwrap();
            socket.send_to(&[], service).unwrap();
            if port % 100 == 0 {
                sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn thousands_of_connections_are_counted_and_listed() {
    counted_and_listed(1500);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn more_than_65_536_connections_are_counted_and_listed() {
    counted_and_listed(36_000);
}

fn counted_and_listed(ports: u32) {
    // The reason is below.
    let lab = Lab::alone();
    let file = FILE
        .replace("max_sessions = 10_000", "max_sessions = 100_000")
        .replace("udp://10.0.0.1:7\"", "udp://10.0.0.1:9\"");
    // Nothing answers at that port, and a connection that ended would be made again.
    lab.apply(&format!("{file}\n[timeouts]\nudp_unanswered = \"2h\"\n"));
    let json = |arguments: &[&str]| -> Value {
        let words = [&["show", "--json"], arguments].concat();
        serde_json::from_str(&success(&lab.ipvs_bpf(&words))).unwrap()
    };
    let service = "udp://10.0.0.1:9";
    let sessions = || {
        json(&[service])["services"][0]["sessions"]
            .as_u64()
            .unwrap()
    };
    flood(&lab, ports, sessions);
    // IPVS updates its counters every two seconds.
    eventually("every connection is counted", || {
        json(&[service])["services"][0]["totals"]["connections"] == 2 * ports
    });
    let shown = &json(&[service])["services"][0];
    let servers = shown["servers"].as_array().unwrap();
    let inactive = servers
        .iter()
        .map(|server| server["inactive_connections"].as_u64().unwrap());
    assert_eq!(inactive.sum::<u64>(), u64::from(2 * ports));
    let (theirs, ours) = both(&lab, &["--stats"], 5);
    assert_eq!(ours, theirs);

    let count = |name: &str, arguments: &[&str]| json(arguments)[name].as_array().unwrap().len();
    let all = usize::try_from(2 * ports).unwrap();
    assert_eq!(count("sessions", &["--sessions", service]), all);
    // The kernel continues by counting lines of a table that all namespaces share.
    // Connections of an earlier test may still be ending.
    eventually("every connection is listed", || {
        count("connections", &["--connections", service]) == all
    });
    let local_ip = &json(&["--local-ips"])["local_ips"][0];
    assert_eq!(local_ip["sessions"], 2 * ports);
    // Two servers, alternating.
    assert_eq!(local_ip["busiest_server"]["sessions"], ports);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn one_server_has_more_than_65_536_connections() {
    const PORTS: u32 = 35_000;
    let lab = Lab::new();
    let director = |words: &[&str]| lab.exec("director", &[&["ipvsadm"], words].concat());
    director(&["-A", "-u", "10.0.0.1:9", "-s", "rr"]);
    director(&["-a", "-u", "10.0.0.1:9", "-r", "10.2.0.2:9", "-m"]);
    flood(&lab, PORTS, || {
        let text = success(&lab.ipvs_bpf(&["show", "--json"]));
        let json: Value = serde_json::from_str(&text).unwrap();
        let server = &json["services"][0]["servers"][0];
        server["inactive_connections"].as_u64().unwrap()
    });
    let (theirs, ours) = both(&lab, &[], 4);
    assert_eq!(ours[1].1[3], (2 * PORTS).to_string());
    assert_eq!(ours[1].1[3], theirs[1].1[3]);
}
