// SPDX-License-Identifier: GPL-2.0-only
//! Networks with small and large frames, and paths that become smaller behind the
//! director.

use ipvs_bpf::toa::abi::Outcome;

use super::bulk::Body;
use super::told::{LocalIps, Receiver, nothing_failed, told};
use super::transfers::{offloads, wrong_checksums};
use crate::lab::Lab;
use crate::path_mtu::{self, learned, narrow_router};

/// The interfaces of the whole network.
const INTERFACES: [(&str, &[&str]); 4] = [
    ("client", &["eth0"]),
    ("director", &["eth0", "eth1"]),
    ("switch", &["director", "server1", "server2", "switch"]),
    ("server1", &["eth0"]),
];

fn set_mtu(lab: &Lab, mtu: &str) {
    for (host, interfaces) in INTERFACES {
        for interface in interfaces {
            lab.exec(host, &["ip", "link", "set", interface, "mtu", mtu]);
        }
    }
}

fn set_offloads(lab: &Lab, state: &str) {
    for (host, interfaces) in INTERFACES {
        for interface in interfaces.iter().filter(|it| **it != "switch") {
            offloads(lab, host, interface, state);
        }
    }
}

#[test]
fn transfers_stay_whole_with_small_frames_and_with_large_ones() {
    stay_whole(2_000_000);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn large_transfers_stay_whole_with_small_frames_and_with_large_ones() {
    stay_whole(10_000_000);
}

fn stay_whole(bytes: usize) {
    let (lab, receiver) = told(&[]);
    let body = Body::new(bytes);
    let mut told = 0;
    for mtu in ["1280", "9000"] {
        set_mtu(&lab, mtu);
        for state in ["on", "off"] {
            set_offloads(&lab, state);
            for vip in ["10.0.0.1", "[fd00::1]"] {
                body.both_ways(&lab, "client", vip);
                told += 2;
            }
        }
    }
    for host in ["client", "server1"] {
        assert_eq!(wrong_checksums(&lab, host), 0, "{host}");
    }
    assert_eq!(receiver.outcomes(), [(Outcome::Told, told)]);
    nothing_failed(&lab);
    assert_eq!(lab.counter("drop_too_big"), 0);
}

/// A lab in which the path to the server becomes smaller behind the director. The client
/// and the server are both behind a router.
fn narrow_behind() -> (Lab, Receiver) {
    let mut lab = Lab::new();
    lab.far();
    let local_ips = LocalIps::at(&lab);
    let snat = "snat = \"default\"\n";
    let told = format!("{snat}client_address = \"toa\"\n");
    lab.apply(&local_ips.of(&path_mtu::FILE.replace(snat, &told)));
    narrow_router(&lab, "server2", 4);
    (lab, Receiver::new(&local_ips))
}

/// Sets the state of the offloads, and makes the client forget the path.
fn begin(lab: &Lab, state: &str) {
    for host in ["farclient", "farserver"] {
        offloads(lab, host, "eth0", state);
    }
    for family in ["-4", "-6"] {
        lab.exec("farclient", &["ip", family, "route", "flush", "cache"]);
    }
}

#[test]
fn transfers_stay_whole_over_a_path_that_becomes_smaller_behind_the_director() {
    let (lab, receiver) = narrow_behind();
    let body = Body::new(5_000_000);
    let mut told = 0;
    for state in ["on", "off"] {
        begin(&lab, state);
        for (url, vip, _) in path_mtu::FAMILIES {
            assert!(!learned(&lab, "farclient", vip));
            let before = lab.counter("icmp_errors_to_client");
            body.both_ways(&lab, "farclient", url);
            assert!(lab.counter("icmp_errors_to_client") > before);
            assert!(learned(&lab, "farclient", vip), "{vip}");
            told += 2;
        }
    }
    assert_eq!(receiver.outcomes(), [(Outcome::Told, told)]);
    nothing_failed(&lab);
    assert_eq!(lab.counter("drop_too_big"), 0);
}

/// The first data fills several segments, as that of a TLS client often does.
const FULL: &str = r"
import hashlib, socket, sys
body = bytes(range(256)) * 400
s = socket.create_connection((sys.argv[1], 80))
s.sendall(b'POST /%s HTTP/1.0\r\nContent-Length: %d\r\n\r\n' % (b'x' * 3000, len(body)) + body)
answer = s.makefile().read()
assert answer.split()[-1] == hashlib.sha256(body).hexdigest(), answer
peer = 'Peer: {} {}\n'.format(*s.getsockname()[:2])
assert peer in answer, answer
";

/// The routers' errors do not count the option, so a client that obeys them still sends
/// segments that leave no room for it.
#[test]
fn first_data_that_fills_segments_arrives_over_such_a_path() {
    let (lab, receiver) = narrow_behind();
    let mut told = 0;
    for state in ["on", "off"] {
        begin(&lab, state);
        for (_, vip, _) in path_mtu::FAMILIES {
            // The second connection begins with what the first one has learned.
            for is_known in [false, true] {
                assert_eq!(learned(&lab, "farclient", vip), is_known);
                lab.exec("farclient", &["/usr/bin/python3", "-ISc", FULL, vip]);
                told += 1;
            }
        }
    }
    assert_eq!(wrong_checksums(&lab, "farserver"), 0);
    assert_eq!(receiver.outcomes(), [(Outcome::Told, told)]);
    nothing_failed(&lab);
}
