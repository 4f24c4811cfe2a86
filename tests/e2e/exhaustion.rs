// SPDX-License-Identifier: GPL-2.0-only
//! All ports of the local IPs are in use.

use crate::balance::{balanced, none_left};
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually};
use crate::talk::Talk;

const ECHO: (&str, u16) = ("10.0.0.1", 7);

/// The file with one server for each service, and with these ports.
pub fn few_ports(addresses: &str, ports: &str) -> String {
    FILE.replace("  [[service.server]]\n  address = \"10.2.0.3:8080\"\n", "")
        .replace("  [[service.server]]\n  address = \"10.2.0.3:7\"\n", "")
        .replace(
            r#"addresses = ["10.2.0.100"]"#,
            &format!("addresses = {addresses}\nports = \"{ports}\""),
        )
}

/// Exactly `number` UDP flows fit. The next one is refused.
fn holds_exactly(lab: &Lab, number: usize) {
    let mut talks = Vec::new();
    for _ in 0..number {
        let mut talk = Talk::new(lab, "udp", ECHO);
        talk.ask();
        talks.push(talk);
    }
    let refused = Talk::new(lab, "udp", ECHO).try_ask(120);
    let error = refused.expect_err("one more than there are ports");
    assert!(error.contains("refused"), "{error}");
    assert_eq!(lab.counter("refused_ports_exhausted"), 1);
    assert_eq!(lab.counter("drop_refused_connection"), 1);
    eventually("the refused connection leaves nothing", || {
        balanced(lab) == number
    });
    for talk in &mut talks {
        talk.ask();
    }
}

#[test]
fn a_client_too_many_is_refused_at_once_and_it_is_counted_once() {
    let lab = Lab::new();
    lab.apply(&few_ports(r#"["10.2.0.100"]"#, "4000-4000"));
    holds_exactly(&lab, 1);
    // No other reason was counted.
    let stats = lab.exec("director", &["cat", "/proc/net/ip_vs_bpf/stats"]);
    let reasons: Vec<_> = stats
        .lines()
        .filter(|line| line.starts_with("refused_") && !line.ends_with(" 0"))
        .collect();
    assert_eq!(reasons, ["refused_ports_exhausted 1"]);
}

#[test]
fn a_port_is_taken_again_as_soon_as_its_session_ended() {
    let lab = Lab::new();
    lab.apply(&few_ports(r#"["10.2.0.100"]"#, "4000-4000"));
    lab.exec("director", &["ipvsadm", "--set", "0", "0", "1"]);
    for _ in 0..3 {
        let mut talk = Talk::new(&lab, "udp", ECHO);
        assert_eq!(talk.ask().port, 4000);
        none_left(&lab);
    }
    assert_eq!(lab.counter("refused_ports_exhausted"), 0);
}

#[test]
fn one_local_ip_of_five_ports_holds_five_sessions_to_a_server() {
    let lab = Lab::new();
    lab.apply(&few_ports(r#"["10.2.0.100"]"#, "4000-4004"));
    holds_exactly(&lab, 5);
}

#[test]
fn two_local_ips_of_five_ports_hold_ten_sessions_to_a_server() {
    let lab = Lab::new();
    lab.exec(
        "director",
        &["ip", "addr", "add", "10.2.0.101/24", "dev", "eth1"],
    );
    lab.apply(&few_ports(r#"["10.2.0.100", "10.2.0.101"]"#, "4000-4004"));
    holds_exactly(&lab, 10);
}
