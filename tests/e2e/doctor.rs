// SPDX-License-Identifier: GPL-2.0-only
//! Hosts that are broken in one way each, and the findings of `doctor`.

mod file;
mod interfaces;
mod network;
mod rules;
mod servers;
mod system;
mod toa;
mod xdp;

use std::process::Output;

use serde_json::Value;

use crate::full_nat::FILE;
use crate::lab::{Lab, run, success};

/// All findings. Checks that the exit status matches them.
fn all(output: &Output) -> Vec<Value> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let wrong = report["errors"].as_u64().unwrap() + report["warnings"].as_u64().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(wrong > 0)));
    report["findings"].as_array().unwrap().clone()
}

/// The findings without those that depend on whether the file was applied.
fn findings(output: &Output) -> Vec<Value> {
    let mut findings = all(output);
    findings.retain(|finding| finding["check"] != "kernel-differs");
    findings
}

/// The findings about the running state.
fn running(lab: &Lab) -> Vec<Value> {
    findings(&lab.ipvs_bpf(&["doctor", "--json"]))
}

/// The findings about the needs of a file.
fn needed(lab: &Lab, file: &str) -> Vec<Value> {
    findings(&lab.with_file(&["doctor", "--json"], file))
}

/// Checks that there is only this kind of finding. Returns the fix.
fn only(findings: &[Value], severity: &str, check: &str, what: &str) -> String {
    assert!(
        findings.iter().all(|finding| finding["check"] == check),
        "{check}: {findings:#?}"
    );
    found(findings, severity, check, what)
}

/// Checks that there is this finding. Returns the fix.
fn found(findings: &[Value], severity: &str, check: &str, what: &str) -> String {
    let of = findings.iter().find(|finding| {
        finding["check"] == check && finding["what"].as_str().unwrap().contains(what)
    });
    let of = of.unwrap_or_else(|| panic!("no {check} of {what}: {findings:#?}"));
    assert_eq!(of["severity"], severity, "{of:#?}");
    assert!(!of["why"].as_str().unwrap().is_empty());
    of["cure"].as_str().unwrap().to_owned()
}

fn script(lab: &Lab, lines: &str) {
    lab.exec("director", &["sh", "-ec", lines]);
}

/// Breaks a healthy director. `doctor` must report it, and running its fix literally must
/// repair it.
fn named_and_fixed(breaks: &str, severity: &str, check: &str, what: &str) {
    let lab = Lab::new();
    lab.apply(FILE);
    script(&lab, breaks);
    let cure = only(&running(&lab), severity, check, what);
    assert_eq!(cure, only(&needed(&lab, FILE), severity, check, what));
    script(&lab, &cure);
    assert_eq!(running(&lab), [] as [Value; 0], "after: {cure}");
}

#[test]
fn a_healthy_director_has_no_findings() {
    let lab = Lab::new();
    let before: Vec<Value> = needed(&lab, FILE);
    assert_eq!(before, [] as [Value; 0], "before the first apply");
    lab.apply(FILE);
    for _ in 0..2 {
        lab.get(&["http://10.0.0.1/"]);
        lab.udp("10.0.0.1", 7, "hello");
        assert_eq!(running(&lab), [] as [Value; 0]);
        assert_eq!(needed(&lab, FILE), [] as [Value; 0]);
    }
    let printed = success(&lab.ipvs_bpf(&["doctor"]));
    assert_eq!(printed, "nothing is wrong\n");
}

#[test]
fn a_healthy_director_of_ipv6_has_no_findings() {
    let lab = Lab::new();
    lab.apply(&ipv6_file());
    assert!(lab.get(&["http://[fd00::1]/"]).contains(" fd00:2::100 "));
    assert_eq!(running(&lab), [] as [Value; 0]);
}

fn ipv6_file() -> String {
    FILE.replace("10.0.0.1:", "[fd00::1]:")
        .replace("10.2.0.2:", "[fd00:2::2]:")
        .replace("10.2.0.3:", "[fd00:2::3]:")
        .replace("10.2.0.100", "fd00:2::100")
}

#[test]
fn people_read_what_is_wrong_why_and_how_to_fix_it() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(&lab, "ip link set eth0 down");
    let output = lab.ipvs_bpf(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    snapbox::assert_data_eq!(
        String::from_utf8(output.stdout).unwrap(),
        snapbox::str![[r#"
error: the interface eth0 is down [interface-down]
  why: it carries no packets
  fix: ip link set eth0 up

1 error

"#]]
    );
    let json: Value = serde_json::from_slice(&lab.ipvs_bpf(&["doctor", "--json"]).stdout).unwrap();
    let documents = include_str!("../../docs/reference/json.md");
    let (_, of_doctor) = documents.split_once("\n## `doctor`").unwrap();
    let example = of_doctor.split("```").nth(1).unwrap();
    let example: Value = serde_json::from_str(example.strip_prefix("json").unwrap()).unwrap();
    assert_eq!(json, example);
}

#[test]
fn a_director_without_services_and_a_bad_file_are_told_apart() {
    let lab = Lab::new();
    assert_eq!(running(&lab), [] as [Value; 0]);
    let output = lab.with_file(&["doctor"], "[[service]]\naddress = 1\n");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
}

/// Finds every kind of finding in the source code.
#[test]
fn every_kind_of_finding_has_a_test_and_a_line_in_the_documentation() {
    let sources = run(std::process::Command::new("sh").args([
        "-c",
        "grep -hoE '^ +\"[a-z0-9]+(-[a-z0-9]+)*\",$' src/doctor/*.rs | tr -d ' \",' | sort -u",
    ]));
    let kinds: Vec<&str> = sources.lines().collect();
    assert!(kinds.len() > 25, "{kinds:?}");
    let tests = [
        include_str!("doctor/file.rs"),
        include_str!("doctor/interfaces.rs"),
        include_str!("doctor/network.rs"),
        include_str!("doctor/rules.rs"),
        include_str!("doctor/servers.rs"),
        include_str!("doctor/system.rs"),
        include_str!("doctor/toa.rs"),
        include_str!("doctor/xdp.rs"),
        // It needs a card that merges.
        include_str!("drivers/merging.rs"),
    ]
    .concat();
    let documentation = std::fs::read_to_string("docs/reference/doctor.md").unwrap();
    for kind in kinds {
        assert!(tests.contains(&format!("\"{kind}\"")), "no test: {kind}");
        assert!(
            documentation.contains(&format!("| `{kind}` |")),
            "no line: {kind}"
        );
    }
}
