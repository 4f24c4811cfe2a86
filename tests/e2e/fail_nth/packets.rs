// SPDX-License-Identifier: GPL-2.0-only
//! Fails some of the allocations that packets cause: those of sessions, leases, kept routes and
//! services. Packets are handled in soft interrupts, whose allocations belong to no thread. So
//! they are selected by their slab (lab/vm/run.sh: slub_debug=A).

use std::fs;

use crate::accounting::one_server;
use crate::fast_path::warm;
use crate::ipv6;
use crate::lab::{Lab, eventually};
use crate::rules::{self, begin, ipvsadm, write};
use crate::talk::Talk;

/// The slabs of `struct session` of each family, and of allocations of such sizes: a kept
/// route (`struct ip_vs_dest_dst`), `struct session_leases` and `struct service`.
const SLABS: [&str; 5] = [
    "session4",
    "session6",
    "kmalloc-64",
    "kmalloc-96",
    "kmalloc-256",
];

const TRACING: &str = "/sys/kernel/tracing";
const KMALLOC: &str = "/sys/kernel/tracing/events/kmem/kmalloc";

/// While it exists, a third of the allocations from these slabs that may not sleep fail. The
/// test has the machine to itself.
struct Failing;

impl Failing {
    fn begin() -> Self {
        for slab in SLABS {
            let selected = fs::read_to_string(format!("/sys/kernel/slab/{slab}/failslab"));
            assert_eq!(selected.unwrap(), "1\n", "{slab}");
        }
        fs::write(format!("{TRACING}/trace"), "").unwrap();
        fs::write(format!("{KMALLOC}/filter"), "ptr == 0").unwrap();
        fs::write(format!("{KMALLOC}/enable"), "1").unwrap();
        Self::set("Y", "30");
        Failing
    }

    fn set(filter: &str, probability: &str) {
        for (file, value) in [
            ("cache-filter", filter),
            ("ignore-gfp-wait", "Y"),
            ("verbose", "0"),
            ("interval", "1"),
            ("times", "-1"),
            ("probability", probability),
        ] {
            fs::write(format!("/sys/kernel/debug/failslab/{file}"), value).unwrap();
        }
    }

    /// The number of the module's own allocations that failed, of a function or of a size.
    fn failed(&self, which: &str) -> usize {
        let trace = fs::read_to_string(format!("{TRACING}/trace")).unwrap();
        trace
            .lines()
            .filter(|line| line.contains("[ip_vs_bpf]") && line.contains(which))
            .count()
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        Self::set("N", "0");
        fs::write(format!("{KMALLOC}/enable"), "0").unwrap();
        fs::write(format!("{KMALLOC}/filter"), "0").unwrap();
    }
}

/// The end of a test: nothing fails any more.
fn nothing_remains(lab: &Lab) {
    let [created, ended] = ["sessions_created", "sessions_ended"].map(|name| lab.counter(name));
    assert_eq!(created - ended, lab.counter("sessions"));
}

/// Begins fifty flows with some packets each. Some are refused.
const FLOWS: &str = r"
import socket, sys
kind, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ':' in address else socket.AF_INET
for _ in range(50):
    with socket.socket(family, getattr(socket, kind)) as s:
        s.settimeout(20)
        try:
            s.connect((address, port))
            for _ in range(4):
                s.send(b'GET / HTTP/1.1\r\nHost: x\r\n\r\n')
                if kind == 'SOCK_STREAM':
                    s.recv(1000)
        except OSError:
            pass
";

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn sessions_and_leases_without_memory_are_counted_and_nothing_remains() {
    let lab = Lab::alone();
    let udp4 = "[[service]]\naddress = \"udp://10.0.0.1:7\"\nscheduler = \"rr\"\n\
                snat = \"default\"\n[[service.server]]\naddress = \"10.2.0.2:7\"\n";
    lab.apply(&(ipv6::FILE.replace("[director]\n", "[director]\nfast_path = true\n") + udp4));
    let kinds = [
        ("udp", "SOCK_DGRAM", "10.0.0.1", 7),
        ("tcp", "SOCK_STREAM", "10.0.0.1", 80),
        ("udp", "SOCK_DGRAM", "fd00::1", 7),
        ("tcp", "SOCK_STREAM", "fd00::1", 80),
    ];
    for (kind, socket, address, port) in kinds {
        let counters = ["refused_no_memory", "flows_no_memory"];
        let before = counters.map(|name| lab.counter(name));
        let to = port.to_string();
        let words = ["/usr/bin/python3", "-ISc", FLOWS, socket, address, &to];
        let failing = Failing::begin();
        eventually("a session and a lease have no memory", || {
            lab.exec("client", &words);
            let now = counters.map(|name| lab.counter(name));
            now[0] > before[0] && now[1] > before[1]
        });
        drop(failing);
        let mut talk = Talk::new(&lab, kind, (address, port));
        warm(&lab, &mut talk);
        nothing_remains(&lab);
    }
}

/// Only IPv4 keeps a route for a server.
#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn a_route_that_has_no_memory_to_be_kept_is_used_all_the_same() {
    let lab = Lab::alone();
    lab.apply(&one_server());
    let (mut answered, mut refused) = (0, 0);
    let failing = Failing::begin();
    eventually("kept routes have no memory", || {
        // The routes that were kept are no longer valid.
        for verb in ["add", "del"] {
            let route = ["ip", "route", verb, "10.9.0.0/24", "dev", "eth1"];
            lab.exec("director", &route);
        }
        match Talk::new(&lab, "udp", ("10.0.0.1", 7)).try_ask(20) {
            Ok(answer) => {
                assert_eq!(answer.peer, "10.2.0.100");
                answered += 1;
            }
            Err(_) => refused += 1,
        }
        // The size of struct ip_vs_dest_dst.
        failing.failed("bytes_req=48 ") >= 5
    });
    drop(failing);
    println!("{answered} answered, {refused} refused");
    assert!(answered > refused);
    assert_eq!(lab.counter("drop_no_route"), 0);
    Talk::new(&lab, "udp", ("10.0.0.1", 7)).ask();
    nothing_remains(&lab);
}

/// Sends datagrams to fifty ports, of which each needs a service of its own.
const PORTS: &str = r"
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(int(sys.argv[2]), int(sys.argv[2]) + 50):
    s.sendto(b'x', (sys.argv[1], port))
";

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn services_by_rule_and_by_mark_without_memory_are_refused_and_made_by_the_next_packet() {
    let lab = Lab::alone();
    begin(&lab, "10.0.0.1/32 * * * default\n");
    let marks = "nft -f - <<'END'\n\
        table ip marks {\n\
        chain early { type filter hook prerouting priority -450;\n\
        ip daddr { 10.0.0.1, 10.0.0.9 } meta mark set 7; }\n\
        }\nEND\n";
    lab.exec("director", &["sh", "-ec", marks]);
    ipvsadm(&lab, "-A -f 7 -s rr");
    ipvsadm(&lab, "-a -f 7 -r 10.2.0.2:7 -m");
    // A rule covers the first address. The mark covers both, and its service the second.
    for (vip, service) in [("10.0.0.1", ""), ("10.0.0.9", "+ fwmark 7 default\n")] {
        if !service.is_empty() {
            write(&lab, "director", "services", service);
        }
        let refused = lab.counter("refused_no_memory");
        let mut first = 2000;
        let failing = Failing::begin();
        eventually("services have no memory", || {
            let port = first.to_string();
            lab.exec("client", &["/usr/bin/python3", "-ISc", PORTS, vip, &port]);
            first += 50;
            failing.failed("=ivb_service_new+") > 0 && first > 2200
        });
        drop(failing);
        assert!(lab.counter("refused_no_memory") > refused);
        for port in 2000..2050 {
            let answer = Talk::new(&lab, "udp", (vip, port)).ask();
            assert_eq!(answer.peer, "10.2.0.100");
        }
        nothing_remains(&lab);
    }
    assert_eq!(rules::native(&lab), 0);
    write(&lab, "director", "services", "- fwmark 7\n");
    write(&lab, "director", "rules", "none");
}
