// SPDX-License-Identifier: GPL-2.0-only
//! Rules, and the services that another program makes under them.

use std::process::Command;

use serde_json::Value;

use super::{found, needed, only, running, script};
use crate::lab::{Lab, eventually, run};
use crate::rules::{add_web, ipvsadm};

const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 20_000

[local_ips.default]
addresses = ["10.2.0.100"]

[[full_nat]]
addresses = ["10.0.0.1"]
snat = "default"
"#;

#[test]
fn services_by_rule_that_are_as_they_should_be() {
    let lab = Lab::new();
    lab.apply(FILE);
    add_web(&lab);
    // The services are not native. Only native services would need it.
    script(&lab, "sysctl -qw net.ipv4.ip_forward=0");
    lab.get(&["http://10.0.0.1/"]);
    assert_eq!(running(&lab), [] as [Value; 0]);
    assert_eq!(needed(&lab, FILE), [] as [Value; 0]);
}

#[test]
fn a_rule_under_which_nothing_is_served() {
    let lab = Lab::new();
    lab.apply(FILE);
    ipvsadm(&lab, "-A -t 10.0.0.9:80 -s rr");
    let what = "IPVS has no service under the rule for 10.0.0.1/32";
    only(&running(&lab), "note", "rule-unserved", what);
    only(&needed(&lab, FILE), "note", "rule-unserved", what);
    ipvsadm(&lab, "-A -t 10.0.0.1:80 -s rr");
    assert_eq!(running(&lab), [] as [Value; 0]);
    assert_eq!(needed(&lab, FILE), [] as [Value; 0]);
}

#[test]
fn a_sync_daemon_where_the_port_secret_is_random() {
    let lab = Lab::new();
    lab.apply(FILE);
    add_web(&lab);
    ipvsadm(&lab, "--start-daemon=backup --mcast-interface=eth1");
    let what = "a sync daemon runs";
    only(&running(&lab), "warning", "sync-port-secret", what);
    let secret = format!("[director]\nport_secret = \"{}\"", "0f".repeat(16));
    lab.apply(&FILE.replace("[director]", &secret));
    assert_eq!(running(&lab), [] as [Value; 0]);
    ipvsadm(&lab, "--stop-daemon=backup");
}

#[test]
fn services_under_a_rule_that_stay_native() {
    let lab = Lab::new();
    run(Command::new("modprobe").arg("ip_vs_ftp"));
    lab.apply(FILE);
    add_web(&lab);
    assert_eq!(running(&lab), [] as [Value; 0]);
    ipvsadm(&lab, "-A -u 10.0.0.1:7 -s rr -o");
    ipvsadm(&lab, "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m");
    ipvsadm(&lab, "-A -t 10.0.0.1:21 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:21 -r 10.2.0.2:21 -m");
    ipvsadm(&lab, "-A -t 10.0.0.1:8080 -s rr");
    ipvsadm(&lab, "-a -t 10.0.0.1:8080 -r 10.2.0.2:8080 -g");
    ipvsadm(&lab, "-a -t 10.0.0.1:8080 -r 10.2.0.3:8080 -m");
    for findings in [running(&lab), needed(&lab, FILE)] {
        assert_eq!(findings.len(), 3, "{findings:#?}");
        let of = |service: &str| {
            let cure = found(&findings, "note", "full-nat-native", service);
            let mut about = findings
                .iter()
                .filter(|finding| finding["about"] == service);
            (
                about.next().unwrap()["why"].as_str().unwrap().to_owned(),
                cure,
            )
        };
        let (why, _) = of("udp://10.0.0.1:7");
        assert!(why.starts_with("it is scheduled packet by packet"), "{why}");
        let (why, cure) = of("tcp://10.0.0.1:21");
        assert!(
            why.starts_with("the IPVS application ftp holds its port"),
            "{why}"
        );
        assert_eq!(
            cure,
            "modprobe -r ip_vs_ftp, or remove the port from the rule"
        );
        let (why, _) = of("tcp://10.0.0.1:8080");
        assert_eq!(why, "1 of its 2 servers are not masqueraded");
    }
}

#[test]
fn a_rule_that_covers_a_socket_of_the_host() {
    let mut lab = Lab::new();
    let server = "import socket, time\n\
        s = socket.create_server(('', 22))\n\
        t = socket.create_server(('127.0.0.1', 25))\n\
        print('listens', flush=True)\n\
        time.sleep(100000)\n";
    lab.start("director", &["/usr/bin/python3", "-ISc", server], "listens");
    let warned = |lab: &Lab, toml: &str| {
        let plan = lab.with_file(&["plan", "--json"], toml);
        let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
        let warnings = plan["warnings"].as_array().unwrap().iter();
        let warnings = warnings.map(|warning| warning.as_str().unwrap().to_owned());
        warnings.collect::<Vec<_>>()
    };
    let warnings = warned(&lab, FILE);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let what = "the rule for 10.0.0.1/32 covers 10.0.0.1:22, where this host itself listens";
    assert!(warnings[0].starts_with(what), "{warnings:?}");
    lab.apply(FILE);
    add_web(&lab);
    only(&running(&lab), "note", "rule-host-socket", what);
    only(&needed(&lab, FILE), "note", "rule-host-socket", what);
    // The suggested fix.
    let narrow = FILE.replace("snat", "ports = \"80\"\nsnat");
    assert_eq!(warned(&lab, &narrow), [""; 0]);
    lab.apply(&narrow);
    assert_eq!(running(&lab), [] as [Value; 0]);
}

#[test]
fn as_many_services_by_rule_as_there_can_be() {
    let lab = Lab::new();
    // Nobody answers, and no session may end during the test.
    let long = "[timeouts]\nudp_unanswered = \"10h\"\n";
    lab.apply(&[long, FILE].concat());
    ipvsadm(&lab, "-A -u 10.0.0.1:0 -s rr -p 300");
    ipvsadm(&lab, "-a -u 10.0.0.1:0 -r 10.2.0.2:0 -m");
    let send = "import socket\n\
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
        for port in range(2, 16500):\n    \
            s.sendto(b'x', ('10.0.0.1', port))\n";
    eventually("a service more than there can be is refused", || {
        // A datagram is lost if a queue was full.
        lab.exec("client", &["/usr/bin/python3", "-ISc", send]);
        lab.counter("refused_rule_services") > 0
    });
    let what = "16384 services are made by rules, marks and services of every port, which is the \
        limit";
    found(&running(&lab), "error", "rule-services-full", what);
}
