// SPDX-License-Identifier: GPL-2.0-only
//! Imports files of keepalived: the kernel gets the same services as from keepalived.

use std::fs;

use crate::keepalived::{Keepalived, rules_of_ipvs};
use crate::lab::{Lab, eventually, ipvs_bpf, success};

/// The cases of `import` that have no checks to fail.
const CASES: [&str; 2] = [
    "tests/formats/keepalived_with_checks.conf",
    "tests/formats/keepalived_groups_and_marks.conf",
];

/// Removes what needs another host: checks, VRRP and what is included.
fn alone(text: &str) -> String {
    let mut depth = 0;
    let mut skipped = false;
    let mut kept = String::new();
    for line in text.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        skipped |= matches!(
            first,
            "SSL_GET" | "vrrp_instance" | "include" | "sorry_server" | "quorum"
        );
        if skipped {
            depth += line.matches('{').count();
            depth -= line.matches('}').count();
            skipped = depth > 0;
            continue;
        }
        kept += line;
        kept.push('\n');
    }
    kept
}

/// The rules in order.
fn rules(lab: &Lab) -> Vec<String> {
    let mut rules: Vec<String> = rules_of_ipvs(lab).lines().map(str::to_owned).collect();
    rules.sort();
    rules
}

#[test]
fn an_imported_file_gives_the_services_that_keepalived_makes() {
    for path in CASES {
        let text = alone(&fs::read_to_string(path).unwrap());
        let mut lab = Lab::new();
        let mut keepalived = Keepalived::new();
        let servers = text.matches("real_server").count();
        keepalived.start(&mut lab, &text);
        let mut before = Vec::new();
        eventually("keepalived has made its services", || {
            let now = rules(&lab);
            let whole = now.len() > servers && now == before;
            before = now;
            whole
        });
        keepalived.stop();
        assert_eq!(rules(&lab), [""; 0]);
        let imported = ipvs_bpf().args(["import", path]).output().unwrap();
        lab.apply(&success(&imported));
        assert_eq!(rules(&lab), before);
    }
}
