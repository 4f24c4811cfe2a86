// SPDX-License-Identifier: GPL-2.0-only
//! How rules, their services and their sessions end.

use std::process::Command;

use super::{FILE, RULES, WEB, add_web, begin, ipvsadm, peer, read, write};
use crate::balance::none_left;
use crate::lab::{Lab, eventually, module_is_loaded, success};
use crate::requests::Requests;

#[test]
fn a_service_by_rule_ends_when_it_is_idle() {
    let lab = Lab::new();
    begin(&lab, RULES);
    ipvsadm(&lab, "--set 1 1 1");
    ipvsadm(&lab, "-A -u 10.0.0.1:7 -s rr");
    ipvsadm(&lab, "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m");
    for number in 1..=2 {
        assert_eq!(peer(&lab.udp("10.0.0.1", 7, "hello")), "10.2.0.100");
        assert_eq!(lab.counter("rule_services_made"), number);
        eventually("the service ends", || read(&lab, "services").is_empty());
        assert_eq!(lab.counter("rule_services_ended"), number);
        let applications = lab.exec("director", &["cat", "/proc/net/ip_vs_app"]);
        assert!(!applications.contains("ip_vs_bpf"), "{applications}");
    }
    none_left(&lab);
}

#[test]
fn down_takes_rules_and_their_services_along_under_traffic() {
    let lab = Lab::alone();
    begin(&lab, RULES);
    add_web(&lab);
    let requests = Requests::begin(&lab, WEB);
    requests.next(3);
    let rmmod = Command::new("rmmod").arg("ip_vs_bpf").output().unwrap();
    assert!(!rmmod.status.success());
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
    requests.all_were_full_nat();
}

#[test]
fn rules_keep_the_module_until_they_are_gone() {
    let lab = Lab::alone();
    lab.apply(FILE);
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
    lab.apply(FILE);
    write(&lab, "director", "rules", RULES);
    let rmmod = Command::new("rmmod").arg("ip_vs_bpf").output().unwrap();
    assert!(!rmmod.status.success());
    write(&lab, "director", "rules", "none\n");
    write(
        &lab,
        "director",
        "local_ips",
        "- 10.2.0.100\n- fd00:2::100\n",
    );
    write(&lab, "director", "map", "none\n");
    crate::lab::run(Command::new("rmmod").arg("ip_vs_bpf"));
}

#[test]
fn a_namespace_that_ends_with_rules_and_sessions_takes_them_along() {
    let lab = Lab::alone();
    begin(&lab, RULES);
    add_web(&lab);
    lab.get(&["http://10.0.0.1/"]);
    crate::lab::run(Command::new("ip").args(["netns", "del", &lab.namespace("director")]));
    eventually("the module can be unloaded", || {
        let rmmod = Command::new("rmmod").arg("ip_vs_bpf").output().unwrap();
        rmmod.status.success()
    });
    crate::lab::run(Command::new("ip").args(["netns", "add", &lab.namespace("director")]));
    success(&lab.ipvs_bpf(&["down"]));
}

/// A service by rule of port 0 would pass for a service of every port, and never end.
#[test]
fn packets_to_port_0_make_no_service_by_rule() {
    let lab = Lab::new();
    begin(&lab, RULES);
    ipvsadm(&lab, "-A -t 10.0.0.1:0 -s rr -p 300");
    ipvsadm(&lab, "-a -t 10.0.0.1:0 -r 10.2.0.3:0 -m");
    let syn = [
        "lab/net/packets.py",
        "first",
        "10.1.0.2:4444",
        "10.0.0.1:0",
        "tcp",
        "1",
    ];
    lab.exec("client", &syn);
    eventually("the SYN is refused", || lab.counter("refused_port_0") == 1);
    assert_eq!(read(&lab, "services"), "");
    assert_eq!(peer(&lab.get(&["http://10.0.0.1:8080/"])), "10.2.0.100");
    // No service remains after the rules, nor anything of their pool.
    write(&lab, "director", "rules", "none\n");
    eventually("the sessions have ended", || {
        write(&lab, "director", "services", "flush\n");
        read(&lab, "services").is_empty()
    });
    write(
        &lab,
        "director",
        "local_ips",
        "- 10.2.0.100\n- fd00:2::100\n",
    );
    lab.exec("client", &syn);
    assert_eq!(read(&lab, "services"), "");
}
