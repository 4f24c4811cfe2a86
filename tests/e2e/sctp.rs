// SPDX-License-Identifier: GPL-2.0-only
//! SCTP through full NAT, with the kernel's own SCTP at both ends. Addresses are
//! translated, ports are kept.

use std::process::Command;

use crate::lab::{Lab, eventually, run};

const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 10_000

[local_ips.default]
addresses = ["10.2.0.100", "fd00:2::100"]

[[service]]
address = "sctp://10.0.0.1:3868"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "10.2.0.2:3868"

[[service]]
address = "sctp://[fd00::1]:3868"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:2::2]:3868"
"#;

fn lab() -> Lab {
    run(Command::new("modprobe").arg("sctp"));
    let mut lab = Lab::new();
    lab.start(
        "server1",
        &["lab/net/sctp.py", "serve", "server1", "3868"],
        "ready",
    );
    lab
}

fn ask(lab: &Lab, arguments: &[&str]) -> String {
    lab.exec("client", &[&["lab/net/sctp.py", "ask"], arguments].concat())
}

#[test]
fn sctp_is_served_and_keeps_the_clients_port_in_both_families() {
    let lab = lab();
    lab.apply(FILE);
    let answer = ask(&lab, &["10.0.0.1", "3868", "hello", "4444"]);
    assert_eq!(answer, "server1 10.2.0.100 4444 hello\n");
    let answer = ask(&lab, &["fd00::1", "3868", "hello", "4445"]);
    assert_eq!(answer, "server1 fd00:2::100 4445 hello\n");
    let sessions = lab.sessions();
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    assert!(sessions.iter().all(|line| line.starts_with("sctp")));
}

#[test]
fn an_association_keeps_a_port_that_the_director_draws() {
    let lab = lab();
    lab.apply(FILE);
    let answer = ask(&lab, &["10.0.0.1", "3868", "hello", "40000"]);
    assert_eq!(answer, "server1 10.2.0.100 40000 hello\n");
}

#[test]
fn many_messages_pass_through_an_association() {
    let lab = lab();
    lab.apply(FILE);
    for address in ["10.0.0.1", "fd00::1"] {
        let words = ["lab/net/sctp.py", "bulk", address, "3868", "200"];
        assert_eq!(lab.exec("client", &words), "whole\n");
    }
}

/// Refused at once: a timeout would be another error.
fn assert_refused(lab: &Lab, arguments: &[&str]) {
    let refused = lab.try_exec("client", &[&["lab/net/sctp.py", "ask"], arguments].concat());
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success());
    assert!(why.contains("OSError") && !why.contains("imeout"), "{why}");
}

#[test]
fn a_port_that_is_taken_is_found_at_another_local_ip_or_refused() {
    let lab = lab();
    lab.apply(FILE);
    let first = ["10.0.0.1", "3868", "hello", "4444", "10.1.0.2"];
    let second = ["10.0.0.1", "3868", "hello", "4444", "10.1.0.3"];
    assert_eq!(ask(&lab, &first), "server1 10.2.0.100 4444 hello\n");
    assert_refused(&lab, &second);
    assert!(lab.counter("refused_ports_exhausted") >= 1);
    assert_eq!(
        ask(&lab, &["fd00::1", "3868", "hello", "4444", "fd00:1::2"]),
        "server1 fd00:2::100 4444 hello\n"
    );
    assert_refused(&lab, &["fd00::1", "3868", "hello", "4444", "fd00:1::3"]);

    lab.exec(
        "director",
        &["ip", "addr", "add", "10.2.0.101/24", "dev", "eth1"],
    );
    lab.apply(&FILE.replace("\"10.2.0.100\"", "\"10.2.0.100\", \"10.2.0.101\""));
    assert_eq!(ask(&lab, &second), "server1 10.2.0.101 4444 hello\n");
}

#[test]
fn a_server_of_another_port_is_refused_and_counted() {
    let lab = lab();
    lab.apply(FILE);
    let service = ["ipvsadm", "-e", "--sctp-service", "10.0.0.1:3868"];
    let server = ["-r", "10.2.0.2:3868", "-m", "-w", "0"];
    lab.exec("director", &[&service[..], &server[..]].concat());
    let service = ["ipvsadm", "-a", "--sctp-service", "10.0.0.1:3868"];
    let server = ["-r", "10.2.0.2:3869", "-m"];
    lab.exec("director", &[&service[..], &server[..]].concat());
    assert_refused(&lab, &["10.0.0.1", "3868", "hello"]);
    assert!(lab.counter("refused_sctp_ports") >= 1);
    assert_eq!(lab.sessions().len(), 0);
}

#[test]
fn sctp_sessions_end_with_their_connections() {
    let lab = lab();
    lab.apply(FILE);
    ask(&lab, &["10.0.0.1", "3868", "hello"]);
    ask(&lab, &["fd00::1", "3868", "hello"]);
    let connections = lab.exec("director", &["ipvsadm", "-Lnc"]);
    assert_eq!(connections.matches("CLOSED").count(), 2, "{connections}");
    assert_eq!(lab.counter("sessions"), 2);
    crate::lab::success(&lab.ipvs_bpf(&["down"]));
    eventually("nothing is left", || {
        lab.exec("director", &["ipvsadm", "-Lnc"]).lines().count() <= 2
    });
}
