// SPDX-License-Identifier: GPL-2.0-only
//! Cards that merge the segments that they receive (LRO). A host that forwards must not.

use serde_json::Value;

use super::file;
use crate::cards::Cards;
use crate::lab::success;

#[test]
#[ignore = "make test-drivers"]
fn a_card_that_merges_segments_stops_when_full_nat_begins() {
    let cards = Cards::new();
    let forward = ["net.ipv4.ip_forward=0", "net.ipv6.conf.all.forwarding=0"];
    cards.exec("director", &[&["sysctl", "-qw"], &forward[..]].concat());
    let merge = ["ethtool", "-K", "eth0", "lro", "on"];
    let merges = || {
        let features = cards.exec("director", &["ethtool", "-k", "eth0"]);
        features.contains("large-receive-offload: on")
    };
    if !cards.try_exec("director", &merge).status.success() || !merges() {
        println!("the card cannot merge");
        return;
    }
    let file = file().replace("xdp = true\n", "");
    cards.apply(&file);
    assert!(!merges());
    // An administrator, or a driver that is loaded later.
    cards.exec("director", &merge);
    assert!(merges());
    let doctor = cards.with_file(&["doctor", "--json"], &file);
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let merging = findings.iter().find(|finding| finding["check"] == "lro");
    assert_eq!(merging.expect("a finding")["about"], "eth0");
    cards.exec("director", &["ethtool", "-K", "eth0", "lro", "off"]);
    success(&cards.with_file(&["doctor"], &file));
}
