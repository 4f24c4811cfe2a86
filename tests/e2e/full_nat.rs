// SPDX-License-Identifier: GPL-2.0-only
//! Traffic through full NAT, with real clients and servers.

use crate::lab::{Lab, eventually, success};
use std::collections::BTreeSet;

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

/// The answer of a server: its name, and the peer's address and port.
struct Answer {
    server: String,
    peer: String,
    port: u16,
}

fn answer(text: &str) -> Answer {
    let mut words = text.split_whitespace();
    Answer {
        server: words.next().unwrap().to_owned(),
        peer: words.next().unwrap().to_owned(),
        port: words.next().unwrap().parse().unwrap(),
    }
}

#[test]
fn http_is_answered_by_a_server_that_sees_a_local_ip() {
    let lab = Lab::new();
    lab.apply(FILE);
    for _ in 0..4 {
        let answer = answer(&lab.get(&["http://10.0.0.1/"]));
        assert_eq!(answer.peer, "10.2.0.100");
    }
}

#[test]
fn conntrack_stays_empty() {
    let lab = Lab::new();
    lab.apply(FILE);
    // Rules that match on the state make conntrack look at every packet.
    lab.exec("director", &["nft", "add table ip t"]);
    for hook in ["prerouting", "forward", "output", "postrouting"] {
        let chain = format!("add chain ip t {hook} {{ type filter hook {hook} priority 0; }}");
        lab.exec("director", &["nft", &chain]);
        let rule = format!("add rule ip t {hook} ct state new counter");
        lab.exec("director", &["nft", &rule]);
    }
    let tracked = || lab.exec("director", &["cat", "/proc/net/nf_conntrack"]);
    // Conntrack does look at packets: this one is tracked.
    lab.exec("client", &["ping", "-c", "1", "-W", "5", "10.1.0.1"]);
    assert!(
        tracked().contains("icmp"),
        "conntrack is off: the test proves nothing"
    );
    for _ in 0..4 {
        lab.get(&["http://10.0.0.1/"]);
        lab.udp("10.0.0.1", 7, "hello");
    }
    let tracked = tracked();
    assert!(
        !tracked.contains("tcp") && !tracked.contains("udp"),
        "{tracked}"
    );
}

#[test]
fn udp_is_echoed() {
    let lab = Lab::new();
    lab.apply(FILE);
    let mut servers = Vec::new();
    for _ in 0..4 {
        let text = lab.udp("10.0.0.1", 7, "hello");
        assert!(text.ends_with(" hello\n"), "{text}");
        let answer = answer(&text);
        assert_eq!(answer.peer, "10.2.0.100");
        servers.push(answer.server);
    }
    servers.sort();
    servers.dedup();
    assert_eq!(servers, ["server1", "server2"]);
}

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
fn a_download_of_5_mb_arrives_intact() {
    let lab = Lab::new();
    lab.apply(FILE);
    let script = "curl -sS --fail --max-time 300 http://10.0.0.1/bytes/5000000 | sha256sum";
    let got = lab.exec("client", &["sh", "-c", script]);
    let sent = lab.exec(
        "server1",
        &[
            "sh",
            "-c",
            "curl -sS http://10.2.0.2:8080/bytes/5000000 | sha256sum",
        ],
    );
    assert_eq!(got, sent);
}

#[test]
fn bulk_traffic_flows_in_both_directions() {
    let mut lab = Lab::new();
    lab.apply(FILE);
    lab.start(
        "server1",
        &["iperf3", "--server", "--forceflush"],
        "listening",
    );
    // Sends large segments whose checksums a device would complete.
    let upload = ["iperf3", "--client", "10.0.0.1", "--bytes", "20M"];
    lab.exec("client", &upload);
    lab.exec("client", &[&upload[..], &["--reverse"]].concat());
}

#[test]
fn two_clients_with_the_same_source_port_are_told_apart() {
    let lab = Lab::new();
    let one_server = FILE.replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", "");
    assert_ne!(one_server, FILE);
    lab.apply(&one_server);
    let from = |address: &str| {
        let port = ["--local-port", "4444"];
        answer(&lab.get(&[&["--interface", address], &port[..], &["http://10.0.0.1/"]].concat()))
    };
    let first = from("10.1.0.2");
    let second = from("10.1.0.3");
    assert_eq!(
        first.port, 4444,
        "the client's own port is taken where it is free"
    );
    assert_ne!(
        second.port, 4444,
        "one server and one local IP: the ports differ"
    );
    assert_eq!(first.peer, second.peer);
    assert_eq!(lab.sessions().len(), 2);
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
    assert!(lab.counter("port_collisions") >= 1);
}

#[test]
fn when_every_port_is_taken_the_client_is_refused_at_once_and_it_is_counted() {
    let lab = Lab::new();
    let one_port = FILE.replace(
        r#"addresses = ["10.2.0.100"]"#,
        "addresses = [\"10.2.0.100\"]\nports = \"4000-4000\"",
    );
    lab.apply(&one_port);
    // With one port, each of the two servers gets one connection.
    lab.get(&["http://10.0.0.1/"]);
    lab.get(&["http://10.0.0.1/"]);
    let output = lab.try_exec(
        "client",
        &["curl", "-sS", "--max-time", "120", "http://10.0.0.1/"],
    );
    // 7: failed to connect. A timeout would be 28.
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(lab.counter("refused_ports_exhausted"), 1);
    assert_eq!(lab.counter("sessions"), 2);
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
fn sessions_vanish_from_the_map_when_their_connections_end() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("director", &["ipvsadm", "--set", "1", "1", "1"]);
    for _ in 0..3 {
        lab.get(&["http://10.0.0.1/"]);
        lab.udp("10.0.0.1", 7, "hello");
    }
    let sessions = lab.sessions();
    assert!(
        sessions.iter().any(|line| line.contains("10.2.0.100")),
        "{sessions:?}"
    );
    // `ipvsadm --set` has no timeout for TIME_WAIT, so only the UDP sessions expire
    // within the second.
    eventually("UDP sessions end", || {
        lab.sessions().iter().all(|line| !line.starts_with("udp"))
    });
    let count = |text: &str| {
        text.lines()
            .filter(|line| line.contains("10.0.0.1"))
            .count()
    };
    // A TCP connection may end between two reads. The kernel may list one twice while
    // those of other tests come and go, because it finds its place by counting.
    eventually("map, IPVS and counter agree", || {
        let connections = count(&lab.exec("director", &["ipvsadm", "-Lnc"]));
        let sessions = lab.sessions().len();
        sessions == connections && sessions == lab.counter("sessions") as usize
    });
}

#[test]
fn a_native_service_next_to_a_full_nat_one_on_the_same_port_stays_native() {
    let lab = Lab::new();
    let with_native = format!(
        r#"{FILE}
[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "rr"
  [[service.server]]
  address = "10.2.0.2:8080"
"#
    );
    lab.apply(&with_native);
    // A native server answers through the director.
    lab.exec(
        "server1",
        &["ip", "route", "add", "default", "via", "10.2.0.1"],
    );
    let native = answer(&lab.get(&["http://10.0.0.9/"]));
    assert_eq!(native.peer, "10.1.0.2", "the server sees the client itself");
    let full_nat = answer(&lab.get(&["http://10.0.0.1/"]));
    assert_eq!(full_nat.peer, "10.2.0.100");
    let sessions = lab.sessions();
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(lab.counter("native_other_service"), 1);
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
fn show_lists_the_sessions_as_json() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.get(&["--local-port", "5555", "http://10.0.0.1/"]);
    let text = success(&lab.ipvs_bpf(&["show", "--sessions", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let session = &json["sessions"][0];
    assert_eq!(session["client"], "10.1.0.2:5555");
    assert_eq!(session["vip"], "10.0.0.1:80");
    assert_eq!(session["local_ip"], "10.2.0.100:5555");
    assert_eq!(session["protocol"], "tcp");
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
