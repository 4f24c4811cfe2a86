// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf flush`.

use std::process::{Command, Output};

use crate::download::Download;
use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf, stderr, success};

/// [`FILE`] plus a native service.
fn file() -> String {
    format!(
        "{FILE}\n[[service]]\naddress = \"fwmark://7\"\nscheduler = \"rr\"\n  \
         [[service.server]]\n  address = \"10.2.0.2:0\"\n  forward = \"route\"\n"
    )
}

fn saved(lab: &Lab) -> String {
    lab.exec("director", &["ipvsadm", "-Sn"])
}

/// Runs `flush` at a terminal and answers its question.
fn at_a_terminal(lab: &Lab, answer: &str) -> Output {
    let command = format!(
        "echo {answer} | script -qec '{} --netns {} flush' /dev/null",
        ipvs_bpf().get_program().display(),
        lab.namespace("director")
    );
    Command::new("bash")
        .args(["-c", &command])
        .output()
        .unwrap()
}

#[test]
fn flush_removes_every_service_and_apply_brings_the_connections_back() {
    let lab = Lab::new();
    let file = file();
    lab.apply(&file);
    let download = Download::begin(&lab, "10.0.0.1");
    let text = success(&lab.ipvs_bpf(&["flush", "--yes"]));
    assert_eq!(
        text,
        "- tcp://10.0.0.1:80\n- tcp://10.0.0.1:5201\n- udp://10.0.0.1:7\n- fwmark://7\n"
    );
    assert_eq!(saved(&lab), "");
    let services = lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/services"]);
    assert!(!services.contains(" default "), "{services}");
    assert_eq!(lab.sessions().len(), 1, "the connection is remembered");

    // The data plane stays: only services are in the plan.
    let plan = lab.with_file(&["plan"], &file);
    let text = String::from_utf8(plan.stdout.clone()).unwrap();
    assert_eq!(plan.status.code(), Some(2), "{text}");
    assert!(!text.contains("eth0"), "{text}");
    lab.apply(&file);
    download.finish();
    // Nothing is left half done.
    assert_eq!(lab.with_file(&["plan"], &file).status.code(), Some(0));
    success(&lab.ipvs_bpf(&["flush", "--yes"]));
    assert_eq!(
        success(&lab.ipvs_bpf(&["flush", "--yes"])),
        "there were no virtual services\n"
    );
}

#[test]
fn flush_completes_what_was_begun_by_another_program() {
    let lab = Lab::new();
    lab.apply(FILE);
    lab.exec("director", &["ipvsadm", "-C"]);
    let text = success(&lab.ipvs_bpf(&["flush", "--yes", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["removed"].as_array().unwrap().len(), 3);
    let services = lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/services"]);
    assert!(!services.contains(" default "), "{services}");
}

#[test]
fn flush_asks_and_without_a_terminal_wants_yes() {
    let lab = Lab::new();
    lab.apply(FILE);
    let before = saved(&lab);
    let output = lab.ipvs_bpf(&["flush"]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(
        message.contains("3 virtual services, 3 of them full NAT") && message.contains("--yes"),
        "{message}"
    );
    let output = at_a_terminal(&lab, "n");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("Remove 3 virtual services"), "{text}");
    assert!(text.contains("nothing was removed"), "{text}");
    assert_eq!(saved(&lab), before);
    success(&at_a_terminal(&lab, "y"));
    assert_eq!(saved(&lab), "");
}
