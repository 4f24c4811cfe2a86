// SPDX-License-Identifier: GPL-2.0-only
//! Measures the memory that many services of a rule and a scan of its ports take.

use std::fmt::Write;
use std::fs;

use crate::lab::{Lab, eventually, success};
use crate::rules::{native, read};

/// Nobody answers at the servers, and no session may end during the test.
const FILE: &str = r#"
[director]
interfaces = ["eth0", "eth1"]
max_sessions = 1_024

[timeouts]
udp_unanswered = "10h"

[local_ips.default]
addresses = ["10.2.0.100"]

[[full_nat]]
addresses = ["10.0.0.1"]
snat = "default"
"#;

const FIRST: usize = 10_001;
const SERVICES: usize = 10_000;

/// Sends a datagram to each port of the ranges, from one socket.
fn send(lab: &Lab, ranges: &str) {
    let program = format!(
        "import socket\n\
         s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.bind(('', 40000))\n\
         for first, last in {ranges}:\n    \
             for port in range(first, last):\n        \
                 s.sendto(b'x', ('10.0.0.1', port))\n"
    );
    lab.exec("client", &["/usr/bin/python3", "-ISc", &program]);
}

/// Memory of the kernel that cannot be reclaimed, in bytes.
fn memory() -> usize {
    let read = || {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let line = text.lines().find(|line| line.starts_with("SUnreclaim:"));
        let words = line.unwrap().split_whitespace().nth(1);
        words.unwrap().parse::<usize>().unwrap() * 1024
    };
    // Frees by RCU take a moment.
    (0..5)
        .map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(200));
            read()
        })
        .min()
        .unwrap()
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn ten_thousand_services_of_a_rule_take_little_and_a_scan_of_its_ports_nothing() {
    let lab = Lab::alone();
    lab.apply(FILE);
    let mut rules = String::new();
    for port in FIRST..FIRST + SERVICES {
        writeln!(rules, "-A -u 10.0.0.1:{port} -s rr").unwrap();
        writeln!(rules, "-a -u 10.0.0.1:{port} -r 10.2.0.2:{port} -m").unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules");
    fs::write(&file, rules).unwrap();
    let restore = format!("ipvsadm -R <{}", file.display());
    lab.exec("director", &["sh", "-ec", &restore]);
    let before = memory();
    eventually("each service has had a client", || {
        // A datagram is lost if a queue was full.
        send(&lab, &format!("[({FIRST}, {})]", FIRST + SERVICES));
        lab.counter("rule_services_made") == SERVICES as u64
    });
    let each = memory().saturating_sub(before) / SERVICES;
    println!("{each} bytes for a service, its port's application and its first session");
    // Debugging puts red zones around each object.
    let command_line = fs::read_to_string("/proc/cmdline").unwrap();
    if !command_line.contains("slub_debug") {
        assert!((400..4096).contains(&each), "{each} bytes each");
    }
    let services = read(&lab, "services").lines().count();
    assert_eq!(services, SERVICES);
    assert_eq!(native(&lab), 0);
    // A scan of every other port finds no service and leaves nothing.
    let created = lab.counter("sessions_created");
    let before = memory();
    let last = FIRST + SERVICES;
    send(&lab, &format!("[(1, {FIRST}), ({last}, 65536)]"));
    let grown = memory().saturating_sub(before);
    println!("{grown} bytes for the scan");
    assert!(grown < 1 << 20, "{grown} bytes");
    assert_eq!(lab.counter("rule_services_made"), SERVICES as u64);
    assert_eq!(lab.counter("sessions_created"), created);
    assert_eq!(read(&lab, "services").lines().count(), services);
    assert_eq!(native(&lab), 0);
    let plan = lab.with_file(&["plan"], FILE);
    assert_eq!(success(&plan), "nothing to do\n");
}
