// SPDX-License-Identifier: GPL-2.0-only
//! Fails some of the allocations that packets cause: those of sessions and of their leases.
//! Packets are handled in soft interrupts, whose allocations belong to no thread. So they are
//! selected by their slab (lab/vm/run.sh: slub_debug=A).

use std::fs;

use crate::fast_path::{fast, warm};
use crate::lab::{Lab, eventually};
use crate::talk::Talk;

/// The slabs of `struct session` of IPv4 and `struct session_leases`.
const SLABS: [&str; 2] = ["session4", "kmalloc-96"];

/// While it exists, a third of the allocations from these slabs that may not sleep fail.
struct Failing;

impl Failing {
    fn begin() -> Self {
        for slab in SLABS {
            let selected = fs::read_to_string(format!("/sys/kernel/slab/{slab}/failslab"));
            assert_eq!(selected.unwrap(), "1\n", "{slab}");
        }
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
}

impl Drop for Failing {
    fn drop(&mut self) {
        Self::set("N", "0");
    }
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn sessions_and_leases_without_memory_are_counted_and_nothing_remains() {
    let lab = Lab::new();
    lab.apply(&fast());
    let send = "import socket\n\
                for _ in range(50):\n    \
                    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
                    for _ in range(4): s.sendto(b'x', ('10.0.0.1', 7))";
    let failing = Failing::begin();
    eventually("a session and a lease have no memory", || {
        lab.exec("client", &["/usr/bin/python3", "-ISc", send]);
        ["refused_no_memory", "flows_no_memory"]
            .iter()
            .all(|name| lab.counter(name) > 0)
    });
    drop(failing);
    for (kind, port) in [("udp", 7), ("tcp", 80)] {
        let mut talk = Talk::new(&lab, kind, ("10.0.0.1", port));
        warm(&lab, &mut talk);
    }
    let [created, ended] = ["sessions_created", "sessions_ended"].map(|name| lab.counter(name));
    assert_eq!(created - ended, lab.counter("sessions"));
}
