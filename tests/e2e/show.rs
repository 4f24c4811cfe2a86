// SPDX-License-Identifier: GPL-2.0-only
//! `show` and `ipvsadm -Ln` of the same state, with real traffic.

mod many;
mod named;
pub mod same_as_ipvsadm;
mod views;

use std::collections::BTreeMap;

use crate::full_nat::FILE;
use crate::lab::{Lab, eventually, success};

/// A service or server by ipvsadm's name, and its columns.
type Rows = Vec<(String, Vec<String>)>;

/// Native services next to full-NAT ones: IPv6, a firewall mark, and one with persistence
/// and thresholds.
const NATIVE: &str = r#"
[[service]]
address = "udp://[fd00::1]:9"
scheduler = "rr"
  [[service.server]]
  address = "[fd00:2::2]:9"

[[service]]
address = "fwmark://7"
scheduler = "wrr"
  [[service.server]]
  address = "10.2.0.2:0"
  weight = 7
  [[service.server]]
  address = "10.2.0.3:0"

[[service]]
address = "tcp://10.0.0.9:80"
scheduler = "wlc"
persistence = { timeout = "5m" }
  [[service.server]]
  address = "10.2.0.2:8080"
  upper_threshold = 100
  lower_threshold = 70
  [[service.server]]
  address = "10.2.0.3:8080"
"#;

/// Adds return routes for native services, and marks packets to 10.0.0.9 port 7 with 7.
fn lay_out(lab: &Lab) {
    for server in ["server1", "server2"] {
        lab.exec(
            server,
            &["ip", "route", "add", "10.1.0.0/24", "via", "10.2.0.1"],
        );
    }
    for rule in [
        "add table ip m",
        "add chain ip m c { type filter hook prerouting priority -150; }",
        "add rule ip m c ip daddr 10.0.0.9 udp dport 7 meta mark set 7",
    ] {
        lab.exec("director", &["nft", rule]);
    }
    lab.apply(&format!("{FILE}{NATIVE}"));
}

/// Makes some traffic of each kind, in different amounts.
fn traffic(lab: &Lab) {
    for _ in 0..3 {
        lab.get(&["http://10.0.0.1/"]);
        lab.udp("10.0.0.1", 7, "hello");
    }
    lab.get(&["http://10.0.0.1/bytes/300000"]);
    lab.get(&["http://10.0.0.9/"]);
    for _ in 0..2 {
        lab.udp("10.0.0.9", 7, "marked");
    }
    let script = "import socket\n\
                  s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n\
                  for n in range(5): s.sendto(b'x' * n, ('fd00::1', 9))";
    lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
    let total = |service: &str, counter: &str| {
        let text = success(&lab.ipvs_bpf(&["show", "--json", service]));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json["services"][0]["totals"][counter].as_u64().unwrap()
    };
    // They were not answered, so no time was spent on them.
    eventually("the datagrams of IPv6 arrive", || {
        total("udp://[fd00::1]:9", "incoming_packets") == 5
    });
    // The module adds what the fast path counted every two seconds.
    eventually("the packets of the fast path are counted", || {
        total("tcp://10.0.0.1:80", "outgoing_bytes") > 300_000
    });
}

/// "TCP  10.0.0.1:80 wrr persistent 300" has no columns except at its end.
fn of_ipvsadm(text: &str, columns: usize) -> Rows {
    let lines = text.lines().skip(3);
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = match words[0] {
                "->" => words[1].to_owned(),
                "FWM" => format!("fwmark://{}", words[1]),
                protocol => format!("{}://{}", protocol.to_lowercase(), words[1]),
            };
            let server = words[0] == "->";
            let from = if server || columns == 5 {
                words.len() - columns
            } else {
                words.len()
            };
            (
                name,
                words[from..]
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect(),
            )
        })
        .collect()
}

fn of_show(text: &str, columns: usize) -> Rows {
    text.lines()
        .skip(1)
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let server = words[0] == "→";
            let name = words[usize::from(server)];
            let from = if server || columns == 5 {
                words.len() - columns
            } else {
                words.len()
            };
            let values = words[from..].iter().map(|word| (*word).to_owned());
            (name.to_owned(), values.collect())
        })
        .collect()
}

/// Both listings from a moment in which ipvsadm prints the same before and after.
fn both(lab: &Lab, view: &[&str], columns: usize) -> (Rows, Rows) {
    let ipvsadm = || {
        let words = [&["ipvsadm", "-Ln"], view].concat();
        of_ipvsadm(&lab.exec("director", &words), columns)
    };
    for _ in 0..20 {
        let before = ipvsadm();
        let text = success(&lab.ipvs_bpf(&[&["show"], view].concat()));
        if ipvsadm() == before {
            return (sorted(before), sorted(of_show(&text, columns)));
        }
    }
    panic!("ipvsadm never says the same twice");
}

/// ipvsadm sorts services differently. Servers stay with their services.
fn sorted(rows: Rows) -> Rows {
    let mut services: BTreeMap<String, Rows> = BTreeMap::new();
    let mut service = String::new();
    for row in rows {
        if row.0.contains("://") {
            service = row.0.clone();
        }
        services.entry(service.clone()).or_default().push(row);
    }
    services
        .into_values()
        .flat_map(|mut rows| {
            rows[1..].sort();
            rows
        })
        .collect()
}
