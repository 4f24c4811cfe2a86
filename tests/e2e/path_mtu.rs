// SPDX-License-Identifier: GPL-2.0-only
//! Paths with a smaller MTU than both ends. 5 MB pass in each direction, and the sender
//! of packets that are too big gets an ICMP error.

use crate::fast_path::{self, fast_packets};
use crate::lab::{Lab, eventually};

/// The server is behind a router, and so is the client.
pub const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 1000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[[service]]
address = "tcp://10.0.0.1:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.4.0.2:8080"

[[service]]
address = "tcp://[fd00::1]:80"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:4::2]:8080"
"#;

/// The VIP as in a URL, the VIP and the local IP.
pub const FAMILIES: [(&str, &str, &str); 2] = [
    ("10.0.0.1", "10.0.0.1", "10.2.0.100"),
    ("[fd00::1]", "fd00::1", "fd00:2::100"),
];

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.far();
    lab.apply(FILE);
    lab
}

/// Sends 5 MB from the far client to the far server, and compares the data.
pub fn upload(lab: &Lab, vip: &str) {
    let script = format!(
        "set -e; file=/dev/shm/$$; head -c 5000000 /dev/urandom >$file\n\
         here=$(sha256sum <$file | cut -d' ' -f1)\n\
         there=$(curl -sS --fail --max-time 300 --data-binary @$file 'http://{vip}/')\n\
         rm $file; [ $here = $there ]"
    );
    lab.exec("farclient", &["sh", "-c", &script]);
}

pub fn download(lab: &Lab, vip: &str) {
    let sum = |host: &str, address: &str| {
        let script =
            format!("curl -sS --fail --max-time 300 'http://{address}/bytes/5000000' | sha256sum");
        lab.exec(host, &["sh", "-c", &script])
    };
    assert_eq!(sum("farclient", vip), sum("farserver", "10.4.0.2:8080"));
}

/// True if a host has learned that packets to an address can have at most 1280 bytes.
pub fn learned(lab: &Lab, host: &str, address: &str) -> bool {
    let route = lab.exec(host, &["ip", "route", "get", address]);
    route.contains("mtu 1280")
}

pub fn narrow_link(lab: &Lab, ends: [[&str; 2]; 2]) {
    for [host, interface] in ends {
        lab.exec(host, &["ip", "link", "set", interface, "mtu", "1280"]);
    }
}

/// Limits the router to 1280 bytes on the way to its far host. The far host's own link is
/// unchanged.
pub fn narrow_router(lab: &Lab, router: &str, subnet: u8) {
    let four = format!(
        "ip route replace 10.{subnet}.0.0/24 dev far proto kernel scope link mtu 1280 && \
         ip route replace fd00:{subnet}::/64 dev far proto kernel metric 256 mtu lock 1280"
    );
    lab.exec(router, &["sh", "-c", &four]);
}

// A host uses the learned MTU in the MSS of its next SYN, and then the other side sends
// nothing that is too big. So the tested direction comes first.

#[test]
fn the_director_tells_the_server_of_a_narrow_link_before_it() {
    let lab = lab();
    narrow_link(&lab, [["director", "eth0"], ["client", "eth0"]]);
    for (url, _, local_ip) in FAMILIES {
        let before = lab.counter("drop_reply_too_big");
        download(&lab, url);
        assert!(lab.counter("drop_reply_too_big") > before);
        assert!(learned(&lab, "farserver", local_ip), "{local_ip}");
        upload(&lab, url);
    }
}

#[test]
fn the_director_tells_the_client_of_a_narrow_link_behind_it() {
    let lab = lab();
    narrow_link(&lab, [["director", "eth1"], ["server2", "eth0"]]);
    for (url, vip, _) in FAMILIES {
        let before = lab.counter("drop_too_big");
        upload(&lab, url);
        assert!(lab.counter("drop_too_big") > before);
        assert!(learned(&lab, "farclient", vip), "{vip}");
        download(&lab, url);
    }
}

#[test]
fn a_router_before_the_director_tells_the_server_that_a_packet_is_too_big() {
    let lab = lab();
    narrow_router(&lab, "client", 3);
    for (url, _, local_ip) in FAMILIES {
        let before = lab.counter("icmp_errors_to_server");
        download(&lab, url);
        assert!(lab.counter("icmp_errors_to_server") > before);
        assert!(learned(&lab, "farserver", local_ip), "{local_ip}");
        upload(&lab, url);
    }
    assert_eq!(lab.counter("drop_reply_too_big"), 0);
}

#[test]
fn a_router_behind_the_director_tells_the_client_that_a_packet_is_too_big() {
    let lab = lab();
    narrow_router(&lab, "server2", 4);
    for (url, vip, _) in FAMILIES {
        let before = lab.counter("icmp_errors_to_client");
        upload(&lab, url);
        assert!(lab.counter("icmp_errors_to_client") > before);
        assert!(learned(&lab, "farclient", vip), "{vip}");
        download(&lab, url);
    }
    assert_eq!(lab.counter("drop_too_big"), 0);
}

/// Both ends send without DF, and nobody learns a smaller MTU: of what arrives, the director has
/// to fragment each packet of full size. (nft_flowtable.sh of the kernel's selftests does this.)
fn fragments_what_has_no_df(has_fast_path: bool) {
    let mut lab = Lab::new();
    lab.far();
    lab.apply(&FILE.replace(
        "[director]\n",
        &format!("[director]\nfast_path = {has_fast_path}\n"),
    ));
    // It is a property of new sockets.
    lab.stop_serving("farserver");
    for host in ["farclient", "farserver"] {
        lab.exec(host, &["sysctl", "-qw", "net.ipv4.ip_no_pmtu_disc=1"]);
    }
    lab.serve("farserver");
    let (url, vip, local_ip) = FAMILIES[0];
    let ways = [
        (
            ["director", "eth1"],
            ["server2", "eth0"],
            upload as fn(&Lab, &str),
        ),
        (["director", "eth0"], ["client", "eth0"], download),
    ];
    for (near, next, transfer) in ways {
        let before = created(&lab);
        narrow_link(&lab, [near, next]);
        transfer(&lab, url);
        // 5 MB are more than 3000 segments.
        let created = created(&lab) - before;
        assert!(created > 6000, "{created} fragments");
        for [host, interface] in [near, next] {
            lab.exec(host, &["ip", "link", "set", interface, "mtu", "1500"]);
        }
    }
    assert!(!learned(&lab, "farclient", vip) && !learned(&lab, "farserver", local_ip));
    for counter in ["drop_too_big", "drop_reply_too_big"] {
        assert_eq!(lab.counter(counter), 0);
    }
    if has_fast_path {
        // Acknowledgements are small enough. They are counted within two seconds.
        eventually("acknowledgements take the fast path", || {
            fast_packets(&lab).iter().all(|count| *count > 20)
        });
    } else {
        fast_path::is_unused(&lab);
    }
}

/// The number of fragments that the director has made.
fn created(lab: &Lab) -> u64 {
    let text = lab.exec("director", &["nstat", "-asz", "IpFragCreates"]);
    text.split_whitespace()
        .rev()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn the_director_fragments_segments_without_df_for_the_narrow_side() {
    fragments_what_has_no_df(false);
}

#[test]
fn segments_without_df_that_need_fragments_leave_the_fast_path() {
    fragments_what_has_no_df(true);
}
