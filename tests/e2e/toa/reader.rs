// SPDX-License-Identifier: GPL-2.0-only
//! A reader at the server that is not of this project's receiver: it takes the option from
//! the packets, where toa.ko and DPVS take it (`lab/net/toa_reader.py`). The clients are
//! real.

use std::collections::BTreeSet;

use super::told::nothing_failed;
use super::{PORT, Watch, lab};
use crate::lab::Lab;

/// Requests by one curl, the arguments of which are these and URLs of the VIP. Returns the
/// ends of its connections.
fn ask(lab: &Lab, vip: &str, arguments: &[&str], paths: &[&str]) -> BTreeSet<String> {
    let own = ["-o", "/dev/null", "-w", "%{local_ip} %{local_port}\\n"];
    let urls: Vec<String> = paths
        .iter()
        .map(|path| format!("http://{vip}{path}"))
        .collect();
    let mut words = arguments.to_vec();
    for url in &urls {
        words.extend([&own[..2], &[url]].concat());
    }
    words.extend(&own[2..]);
    lab.get(&words).lines().map(str::to_owned).collect()
}

#[test]
fn a_reader_of_the_handshakes_end_agrees_with_real_clients() {
    let lab = lab();
    let words = ["lab/net/toa_reader.py", "eth0", PORT];
    let reader = Watch::run(&lab, "server1", &words);
    let mut clients = BTreeSet::new();
    for vip in ["10.0.0.1", "[fd00::1]"] {
        for interface in ["10.1.0.2", "10.1.0.3", "fd00:1::2", "fd00:1::3"] {
            if vip.contains(':') != interface.contains(':') {
                continue;
            }
            let from = ["--interface", interface];
            // One short connection, one with several requests, and five at a time.
            let runs: [(usize, &[&str], &[&str]); 4] = [
                (1, &[], &["/"]),
                (1, &[], &["/", "/bytes/1000", "/bytes/100000", "/"]),
                (
                    5,
                    &["--parallel", "--parallel-immediate"],
                    &["/bytes/200000"; 5],
                ),
                (1, &["-d", "@/usr/bin/bash"], &["/"]),
            ];
            for (connections, arguments, paths) in runs {
                let own = ask(&lab, vip, &[&from[..], arguments].concat(), paths);
                assert_eq!(own.len(), connections, "{own:?}");
                assert!(own.iter().all(|end| end.starts_with(interface)));
                clients.extend(own);
            }
        }
    }
    let mut seen = BTreeSet::new();
    for line in reader.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, _, "-", "-", address, port, told, late, total] = words[..] else {
            panic!("{line}");
        };
        assert!(seen.insert(format!("{address} {port}")), "{line}");
        let [told, late, total] = [told, late, total].map(|word| word.parse::<u32>().unwrap());
        // The end of the handshake, or the first data where a busy host lost that; but none
        // after the answer. `segments` has a test of each segment.
        assert!(told >= 1 && late == 0 && told < total, "{line}");
    }
    assert_eq!(seen, clients);
    nothing_failed(&lab);
}
