// SPDX-License-Identifier: GPL-2.0-only
//! Fragmented datagrams in both directions through full NAT.

use crate::lab::{Lab, eventually};

/// UDP echo on port 1200 of server1, for both families.
pub const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 1000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[[service]]
address = "udp://10.0.0.1:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:1200"

[[service]]
address = "udp://[fd00::1]:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:2::2]:1200"

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:8080"
"#;

/// Sizes of the data. The first fills the largest IPv4 packet of a link.
pub const SIZES: [&str; 4] = ["1472", "1473", "9000", "60000"];

pub const VIPS: [&str; 2] = ["10.0.0.1", "fd00::1"];

pub fn lab(echo: &[&str]) -> Lab {
    let mut lab = Lab::new();
    lab.apply(FILE);
    lab.start("server1", echo, "ready");
    lab
}

/// Checks that datagrams of these sizes come back complete.
pub fn whole(lab: &Lab, vip: &str, sizes: &[&str]) {
    let words = [&["lab/net/udp.py", "ask", vip, "7"], sizes].concat();
    let answers = lab.exec("client", &words);
    let stats = || lab.proc_net("director", "ip_vs_bpf/stats");
    let all = "whole\n".repeat(sizes.len());
    assert_eq!(answers, all, "{vip}, {sizes:?} bytes\n{}", stats());
}

/// Makes conntrack look at every packet from now on. The returned function lists its
/// entries.
pub fn track(lab: &Lab) -> impl Fn() -> String {
    lab.exec("director", &["nft", "add table inet t"]);
    for hook in ["prerouting", "forward", "output", "postrouting"] {
        let chain = format!("add chain inet t {hook} {{ type filter hook {hook} priority 0; }}");
        lab.exec("director", &["nft", &chain]);
        let rule = format!("add rule inet t {hook} ct state new counter");
        lab.exec("director", &["nft", &rule]);
    }
    || lab.exec("director", &["cat", "/proc/net/nf_conntrack"])
}

#[test]
fn large_datagrams_come_back_whole() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    for vip in VIPS {
        whole(&lab, vip, &SIZES);
    }
    let counters = lab.ipvs_bpf(&["show", "--sessions"]);
    assert!(counters.status.success());
    assert_eq!(lab.counter("drop_fragment"), 0);
}

/// The servers have a route to a local IP that is not on any interface of the director.
#[test]
fn large_datagrams_come_back_whole_to_a_local_ip_that_is_only_routed() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    let route = ["ip", "route", "add", "10.5.0.1/32", "via", "10.2.0.1"];
    lab.exec("server1", &route);
    lab.apply(&FILE.replace("\"10.2.0.100\"", "\"10.5.0.1\""));
    whole(&lab, VIPS[0], &SIZES);
    assert_eq!(lab.counter("drop_fragment"), 0);
}

#[test]
fn large_datagrams_come_back_whole_and_conntrack_stays_empty() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    let tracked = track(&lab);
    lab.exec("client", &["ping", "-c", "1", "-W", "5", "10.1.0.1"]);
    assert!(
        tracked().contains("icmp"),
        "conntrack is off: the test proves nothing"
    );
    for vip in VIPS {
        whole(&lab, vip, &SIZES);
    }
    // An error does not create an entry either.
    lab.exec("client", &["lab/net/udp.py", "knock", "10.0.0.1", "7"]);
    assert!(!tracked().contains("udp"), "{}", tracked());
}

#[test]
fn fragments_that_come_in_the_opposite_order_are_put_together() {
    let lab = lab(&["lab/net/packets.py", "answer", "1200"]);
    for (from, to) in [
        ("10.1.0.2:4444", "10.0.0.1:7"),
        ("[fd00:1::2]:4444", "[fd00::1]:7"),
    ] {
        for size in ["1500", "9000"] {
            let ask = ["lab/net/packets.py", "ask", from, to, size];
            assert_eq!(lab.exec("client", &ask), "whole\n", "{to}, {size} bytes");
        }
    }
    assert_eq!(lab.counter("drop_fragment"), 0);
}

/// Limits the director's route to one side and then the other to 1280 bytes. (A smaller
/// MTU of its interface would also block incoming packets.)
#[test]
fn fragments_that_are_too_large_for_the_next_link_become_smaller_ones() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    for (subnet, interface) in [(2, "eth1"), (1, "eth0")] {
        let narrow = format!(
            "ip route replace 10.{subnet}.0.0/24 dev {interface} proto kernel scope link mtu 1280 && \
             ip route replace fd00:{subnet}::/64 dev {interface} proto kernel metric 256 mtu 1280"
        );
        lab.exec("director", &["sh", "-c", &narrow]);
        for vip in VIPS {
            whole(&lab, vip, &SIZES);
        }
    }
}

#[test]
fn fragments_that_would_fit_into_one_packet_behind_the_director_pass() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    for host in ["client", "director"] {
        lab.exec(host, &["ip", "link", "set", "eth0", "mtu", "1280"]);
    }
    for vip in VIPS {
        whole(&lab, vip, &["1400"]);
    }
}

#[test]
fn fragments_that_nobody_completes_leave_nothing() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    lab.exec("director", &["sysctl", "-qw", "net.ipv4.ipfrag_time=2"]);
    let in_use = || {
        let text = lab.exec("director", &["cat", "/proc/net/sockstat"]);
        let line = text.lines().find(|line| line.starts_with("FRAG:"));
        line.unwrap().to_owned()
    };
    lab.exec(
        "client",
        &["lab/net/packets.py", "hole", "10.1.0.2", "10.0.0.1", "200"],
    );
    lab.exec(
        "server1",
        &[
            "lab/net/packets.py",
            "hole",
            "10.2.0.2",
            "10.2.0.100",
            "200",
        ],
    );
    eventually("the queue is empty", || {
        in_use() == "FRAG: inuse 0 memory 0"
    });
    let snmp = lab.exec("director", &["nstat", "-asz", "IpReasmTimeout"]);
    let timeouts = snmp.split_whitespace().nth(2).unwrap();
    assert!(timeouts.parse::<u64>().unwrap() > 100, "{snmp}");
    whole(&lab, "10.0.0.1", &SIZES);
}
