// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT next to IPVS's own features: weights, persistence, counters, applications.

use std::collections::BTreeSet;

use crate::lab::{Lab, eventually, success};
use crate::talk::answer;

/// Web on port 80, UDP echo on port 7, iperf3 on its own port.
pub const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[local_ips.default]
addresses = ["10.2.0.100"]

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"
  [[service.server]]
  address = "10.2.0.3:8080"

[[service]]
address = "udp://10.0.0.1:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:7"
  [[service.server]]
  address = "10.2.0.3:7"

[[service]]
address = "tcp://10.0.0.1:5201"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:5201"
"#;

#[test]
fn a_datagram_larger_than_the_mtu_reaches_the_server_from_the_local_ip() {
    let lab = Lab::new();
    lab.apply(FILE);
    for length in [1473, 4000, 9000] {
        let text = lab.udp("10.0.0.1", 7, &"x".repeat(length));
        assert_eq!(answer(&text).peer, "10.2.0.100");
        assert_eq!(text.split(' ').nth(3), Some(length.to_string().as_str()));
    }
}

#[test]
fn ipvs_lists_our_applications_and_other_modules_ones() {
    let lab = Lab::new();
    crate::lab::run(std::process::Command::new("modprobe").arg("ip_vs_ftp"));
    lab.apply(FILE);
    let list = lab.exec("director", &["cat", "/proc/net/ip_vs_app"]);
    let lines: Vec<&str> = list.lines().skip(1).collect();
    // TCP 21 is ip_vs_ftp's. TCP 80, TCP 5201 and UDP 7 are ours.
    assert_eq!(lines.len(), 4, "{list}");
    assert_eq!(list.matches("ip_vs_bpf").count(), 3, "{list}");
    success(&lab.ipvs_bpf(&["down"]));
    let list = lab.exec("director", &["cat", "/proc/net/ip_vs_app"]);
    assert!(!list.contains("ip_vs_bpf"), "{list}");
}

#[test]
fn weights_are_respected() {
    let lab = Lab::new();
    let weighted = FILE
        .replace("scheduler = \"rr\"", "scheduler = \"wrr\"")
        .replace("\"10.2.0.2:8080\"", "\"10.2.0.2:8080\"\n  weight = 3");
    lab.apply(&weighted);
    let mut answers: Vec<String> = (0..8)
        .map(|_| answer(&lab.get(&["http://10.0.0.1/"])).server)
        .collect();
    answers.sort();
    let first = answers.iter().filter(|name| *name == "server1").count();
    assert_eq!((first, answers.len() - first), (6, 2), "three to one");
}

#[test]
fn ipvs_counts_both_directions_and_follows_the_connection() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.get(&["http://10.0.0.1/"]);
    let connections = lab.exec("director", &["ipvsadm", "-Lnc"]);
    assert!(connections.contains("TIME_WAIT"), "{connections}");
    eventually("the estimator sums up", || {
        let stats = lab.exec("director", &["ipvsadm", "-Ln", "--stats", "--exact"]);
        let line = stats
            .lines()
            .find(|line| line.contains("10.0.0.1:80"))
            .unwrap()
            .to_owned();
        let numbers: Vec<u64> = line
            .split_whitespace()
            .skip(2)
            .map(|n| n.parse().unwrap())
            .collect();
        let [connections, packets_in, packets_out, bytes_in, bytes_out] = numbers[..] else {
            panic!("{line}");
        };
        connections == 1 && packets_in >= 5 && packets_out >= 4 && bytes_in > 300 && bytes_out > 250
    });
}

#[test]
fn a_persistent_client_gets_one_server_and_its_template_is_not_a_session() {
    let lab = Lab::new();
    let persistent = FILE.replacen(
        "scheduler = \"rr\"",
        "scheduler = \"rr\"\npersistence = { timeout = \"10m\" }",
        1,
    );
    lab.apply(&persistent);
    let of = |client: &str| {
        let answers =
            (0..4).map(|_| answer(&lab.get(&["--interface", client, "http://10.0.0.1/"])));
        let answers: Vec<_> = answers.collect();
        assert!(answers.iter().all(|answer| answer.peer == "10.2.0.100"));
        let servers: BTreeSet<String> = answers.into_iter().map(|answer| answer.server).collect();
        assert_eq!(servers.len(), 1, "{client}: {servers:?}");
        servers
    };
    // Two clients alternate between two servers, and each keeps its own server.
    assert_ne!(of("10.1.0.2"), of("10.1.0.3"));
    let listed = lab.exec("director", &["ipvsadm", "-Lnc"]);
    let templates = listed
        .lines()
        .filter(|line| line.contains("10.0.0.1:0") || line.contains(":0 "))
        .count();
    assert_eq!(templates, 2, "{listed}");
    let connections = listed
        .lines()
        .filter(|line| line.starts_with("TCP"))
        .count();
    assert_eq!(lab.sessions().len(), connections - templates, "{listed}");
}
