// SPDX-License-Identifier: GPL-2.0-only
//! The counters of IPVS are exact to the packet and the byte, in both directions.

use crate::cards::Cards;
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually};
use crate::xdp::sent_at_xdp;

/// Connections, incoming and outgoing packets, incoming and outgoing bytes.
pub type Counts = [u64; 5];

/// The counts in the first line of `ipvsadm --stats` with this address. Servers have
/// lines too.
fn ipvs(lab: &Lab, address: &str) -> Counts {
    let text = lab.exec("director", &["ipvsadm", "-Ln", "--stats", "--exact"]);
    let line = text
        .lines()
        .find(|line| line.contains(address))
        .expect(address);
    let words = line.split_whitespace().skip(2);
    let numbers: Vec<u64> = words.map(|word| word.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// IPVS updates its counters every two seconds.
pub fn becomes(lab: &Lab, address: &str, wanted: impl Fn() -> Counts) {
    let mut last = ([0; 5], [0; 5]);
    eventually(&format!("{address} has what went and came"), || {
        let now = (ipvs(lab, address), wanted());
        if now != last {
            println!("{address} {now:?}");
        }
        last = now;
        now.0 == now.1
    });
}

/// Keeps only one server for each service.
pub fn one_server() -> String {
    FILE.replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", "")
        .replace("  [[service.server]]\n  address = \"10.2.0.3:7\"\n", "")
}

#[test]
fn datagrams_of_known_sizes_are_counted_exactly() {
    let lab = Lab::new();
    lab.apply(&one_server());
    // Three flows. Prints the sent and received totals, including IP and UDP headers.
    let script = "import socket\n\
        sent = came = 0\n\
        for _ in range(3):\n    \
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
            s.settimeout(120)\n    \
            for length in range(0, 1400, 100):\n        \
                s.sendto(b'x' * length, ('10.0.0.1', 7))\n        \
                sent += length + 28\n        \
                came += len(s.recv(65535)) + 28\n\
        print(sent, came)";
    let text = lab.exec("client", &["/usr/bin/python3", "-ISc", script]);
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|n| n.parse().unwrap())
        .collect();
    let wanted = || [3, 42, 42, numbers[0], numbers[1]];
    becomes(&lab, "10.0.0.1:7 ", wanted);
    becomes(&lab, "10.2.0.2:7 ", wanted);
}

/// Counts packets to and from the service at the client.
const COUNTERS: &str = "nft -f - <<'END'
table ip t {
	counter sent { }
	counter came { }
	chain output { type filter hook output priority 0; tcp dport 80 counter name sent; }
	chain input { type filter hook input priority 0; tcp sport 80 counter name came; }
}
END
";

/// The packets and bytes of a counter at the client.
fn counter(lab: &Lab, name: &str) -> [u64; 2] {
    let text = lab.exec("client", &["nft", "-j", "list", "counter", "ip", "t", name]);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let counter = json["nftables"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|o| o.get("counter"));
    ["packets", "bytes"].map(|field| counter.unwrap()[field].as_u64().unwrap())
}

/// The devices make and join segments, or do not.
fn connections_are_counted_exactly(lab: &Lab, offloads: &str) {
    for (host, device) in [
        ("client", "eth0"),
        ("director", "eth0"),
        ("director", "eth1"),
        ("server1", "eth0"),
    ] {
        let words = [
            "ethtool", "-K", device, "tso", offloads, "gso", offloads, "gro", offloads,
        ];
        lab.exec(host, &words);
    }
    lab.exec("client", &["sh", "-ec", COUNTERS]);
    for path in ["", "bytes/1", "bytes/500000"] {
        let url = format!("http://10.0.0.1/{path}");
        lab.get(&["--output", "/dev/null", &url]);
    }
    let wanted = || {
        let [sent, sent_bytes] = counter(lab, "sent");
        let [came, came_bytes] = counter(lab, "came");
        [3, sent, came, sent_bytes, came_bytes]
    };
    assert!(wanted()[4] > 500_000);
    // The last packets of a connection may still be on their way.
    becomes(lab, "10.0.0.1:80 ", wanted);
    becomes(lab, "10.2.0.2:8080 ", wanted);
}

#[test]
fn tcp_connections_are_counted_as_the_client_counts_them() {
    let lab = Lab::new();
    lab.apply(&one_server());
    connections_are_counted_exactly(&lab, "off");
}

#[test]
fn packets_that_leave_at_xdp_are_counted_as_the_client_counts_them() {
    let lab = Cards::new();
    let xdp = "[director]\nfast_path = true\nxdp = true\n";
    lab.apply(&one_server().replace("[director]\n", xdp));
    connections_are_counted_exactly(&lab, "off");
    // Most segments of the largest answer.
    assert!(sent_at_xdp(&lab) > 300);
}

#[test]
fn segments_that_travel_together_are_counted_as_the_client_counts_them() {
    let lab = Lab::new();
    lab.apply(&one_server());
    connections_are_counted_exactly(&lab, "on");
}
