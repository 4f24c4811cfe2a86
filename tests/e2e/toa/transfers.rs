// SPDX-License-Identifier: GPL-2.0-only
//! Segments that become larger. Nothing is lost, and all checksums are correct.

use super::{PAIRS, Watch, client, lab, option};
use crate::lab::Lab;

/// The number of segments of both families that a host's kernel rejected.
pub fn wrong_checksums(lab: &Lab, host: &str) -> u64 {
    let text = lab.exec(host, &["cat", "/proc/net/snmp"]);
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter_map(|line| line.strip_prefix("Tcp: "))
        .map(|line| line.split(' ').collect())
        .collect();
    let at = lines[0].iter().position(|name| *name == "InCsumErrors");
    lines[1][at.unwrap()].parse().unwrap()
}

pub fn offloads(lab: &Lab, host: &str, device: &str, state: &str) {
    let words = [
        "ethtool", "-K", device, "tso", state, "gso", state, "gro", state, "tx", state,
    ];
    lab.exec(host, &words);
}

const SIZE: usize = 2_000_000;

/// Checks that the server gets all data. The first data there is many full segments.
const UPLOAD: &str = r"
import hashlib, socket, sys
body = bytes(range(256)) * (int(sys.argv[2]) // 256)
s = socket.create_connection((sys.argv[1], 80))
s.sendall(b'POST / HTTP/1.0\r\nContent-Length: %d\r\n\r\n' % len(body) + body)
answer = b''.join(iter(lambda: s.recv(65536), b''))
assert answer.split()[-1].decode() == hashlib.sha256(body).hexdigest(), answer
";

/// Transfers in both directions, and compares the data.
fn transfer(lab: &Lab, vip: &str) {
    let text = lab.get(&[&format!("http://{vip}/bytes/{SIZE}")]);
    let unit = b"0123456789abcdef";
    assert_eq!(text.len(), SIZE);
    assert!(text.as_bytes().chunks(16).all(|chunk| chunk == unit));
    let vip = vip.trim_matches(['[', ']']);
    let words = ["/usr/bin/python3", "-ISc", UPLOAD, vip, &SIZE.to_string()];
    lab.exec("client", &words);
}

#[test]
fn transfers_stay_whole_with_offloads_and_without() {
    let lab = lab();
    let all: [&[(&str, &str)]; 3] = [
        &[],
        // The director's packets are captured as they leave, segment by segment.
        &[("director", "eth1")],
        &[
            ("client", "eth0"),
            ("director", "eth0"),
            ("server1", "eth0"),
        ],
    ];
    for off in all {
        for (host, device) in off {
            offloads(&lab, host, device, "off");
        }
        for vip in ["10.0.0.1", "[fd00::1]"] {
            let before = lab.counter("toa_added");
            let watch = Watch::begin(&lab);
            transfer(&lab, vip);
            let segments = watch.end();
            // If data overtakes the ACK of its handshake, that ACK is not told any more.
            let connections = 2;
            assert!(lab.counter("toa_added") >= before + connections);
            assert!(
                segments
                    .iter()
                    .any(|it| it.options.starts_with("fe") && it.data > 1000)
            );
            if !off.is_empty() {
                let largest = segments.iter().map(|segment| segment.size).max();
                assert!(largest <= Some(1500), "{largest:?}");
            }
        }
    }
    assert_eq!(wrong_checksums(&lab, "server1"), 0);
    assert_eq!(lab.counter("toa_failed"), 0);
    assert_eq!(lab.counter("toa_no_room"), 0);
    assert_eq!(lab.counter("drop_too_big"), 0);
}

/// A segment that fills the MTU becomes two, each with the option.
#[test]
fn a_full_segment_becomes_two() {
    let lab = lab();
    for pair in PAIRS {
        for (number, mtu) in ["1280", "1500"].into_iter().enumerate() {
            lab.exec("director", &["ip", "link", "set", "eth1", "mtu", mtu]);
            let from = pair.0.replace("4000", &format!("430{number}"));
            let own = option(&from);
            let watch = Watch::begin(&lab);
            client(
                &lab,
                (&from, pair.1),
                &["syn", "ack", &format!("full={mtu}")],
            );
            let segments = watch.end();
            let data: Vec<_> = segments.iter().filter(|it| it.data > 0).collect();
            let size: usize = mtu.parse().unwrap();
            let headers = if pair.0.contains('[') { 60 } else { 40 };
            let total: usize = data.iter().map(|it| it.data).sum();
            // veth delivers the two as one, so their sizes are not known.
            assert!(data.iter().all(|it| it.options == own), "{segments:?}");
            assert_eq!(total, size - headers, "{segments:?}");
        }
    }
    offloads(&lab, "director", "eth1", "off");
    for pair in PAIRS {
        let from = pair.0.replace("4000", "4400");
        let watch = Watch::begin(&lab);
        client(&lab, (&from, pair.1), &["syn", "ack", "full=1500"]);
        let segments = watch.end();
        let data: Vec<_> = segments.iter().filter(|it| it.data > 0).collect();
        assert_eq!(data.len(), 2, "{segments:?}");
        assert!(data.iter().all(|it| it.size <= 1500));
        assert!(data.iter().all(|it| it.options == option(&from)));
    }
    assert_eq!(wrong_checksums(&lab, "server1"), 0);
    assert_eq!(lab.counter("toa_failed"), 0);
}
