// SPDX-License-Identifier: GPL-2.0-only
//! iperf3 at the client and at the server. Both print the ends of each stream.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};

use ipvs_bpf::toa::abi::Outcome;
use serde_json::Value;

use super::told::{nothing_failed, told};
use crate::lab::{Lab, success};

const PORT: u16 = 5201;

/// A run with these options. Returns the client's address and port in each stream, as the
/// client knows them and as the server sees them.
fn run(lab: &Lab, vip: &str, options: &[&str]) -> [BTreeSet<String>; 2] {
    let words = ["iperf3", "--server", "--one-off", "--forceflush"];
    let mut server = lab.spawn_at("server1", &words);
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut line = || lines.next().map(Result::unwrap);
    while !line().expect("iperf3 listens").contains("listening") {}
    let client = ["iperf3", "--json", "--bytes", "5M", "--client", vip];
    let report = lab.exec("client", &[&client[..], options].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    assert!(report["error"].is_null(), "{report}");
    let streams = report["start"]["connected"].as_array().unwrap();
    let own = streams
        .iter()
        .map(|stream| {
            let address = stream["local_host"].as_str().unwrap();
            format!("{address} port {}", stream["local_port"])
        })
        .collect();
    let mut seen = BTreeSet::new();
    // Until the server ends.
    while let Some(line) = line() {
        if let Some((_, stream)) = line.split_once(" connected to ") {
            assert!(seen.insert(stream.to_owned()), "{line}");
        } else if let Some((_, control)) = line.split_once("Accepted connection from ") {
            let address = control.split(',').next().unwrap();
            assert!(["10.1.0.2", "fd00:1::2", "fd00:1::3"].contains(&address));
        }
    }
    success(&server.wait_with_output().unwrap());
    [own, seen]
}

#[test]
fn each_stream_of_iperf3_has_its_client_in_either_direction() {
    let (lab, receiver) = told(&[PORT]);
    let mut connections = 0;
    for vip in ["10.0.0.1", "fd00::1"] {
        for (streams, options) in [
            (1, &[][..]),
            (1, &["--reverse"]),
            (5, &["--parallel", "5"]),
            (5, &["--parallel", "5", "--reverse"]),
            (4, &["--parallel", "2", "--bidir"]),
        ] {
            let [own, seen] = run(&lab, vip, options);
            assert_eq!(own.len(), streams);
            assert_eq!(own, seen, "{vip} {options:?}");
            connections += streams as u64 + 1;
        }
    }
    assert_eq!(receiver.outcomes(), [(Outcome::Told, connections)]);
    nothing_failed(&lab);
}
