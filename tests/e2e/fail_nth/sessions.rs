// SPDX-License-Identifier: GPL-2.0-only
//! The allocations of writes that concern sessions.

use super::files::{Maps, Proc, add_local_ips, configured};
use super::with_the_module;
use crate::lab::{Lab, eventually};

/// Sends datagrams of `number` new flows, so that their sessions exist.
fn flows(lab: &Lab, number: u64) {
    let all = lab.counter("sessions") + number;
    let send = format!(
        "import socket\n\
         for _ in range({number}):\n    \
             s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n    \
             s.sendto(b'x', ('10.0.0.1', 7))"
    );
    lab.exec("client", &["/usr/bin/python3", "-ISc", &send]);
    eventually("the sessions are there", || lab.counter("sessions") == all);
}

#[test]
#[ignore = "needs the debugging kernel: make test-debug"]
fn maps_are_exchanged_and_services_removed_under_sessions() {
    with_the_module(|lab, fail| {
        let (first, second) = (Maps::new(), Maps::new());
        let file = Proc::open("map");
        file.must(&first.1);
        Proc::open("fast_path").must("on");
        Proc::open("local_ips").must(&add_local_ips());
        let services = Proc::open("services");
        services.must("+ udp 10.0.0.1:7 p0\n");
        for words in [
            "-A -u 10.0.0.1:7 -s rr",
            "-a -u 10.0.0.1:7 -r 10.2.0.2:7 -m",
        ] {
            let words: Vec<&str> = words.split(' ').collect();
            lab.exec("director", &[&["ipvsadm"], &words[..]].concat());
        }
        flows(lab, 50);
        file.each(fail, "others", &second.1, &first.1);
        services.each(
            fail,
            "remove with sessions",
            "- udp 10.0.0.1:7\n",
            "+ udp 10.0.0.1:7 p0\n",
        );
        services.must("- udp 10.0.0.1:7\n");
        // A flush that succeeds cannot be undone, and one that fails may have ended some.
        let flush = || services.write("flush");
        fail.each_from("services: flush", 1, || (), flush, || ());
        eventually("every session ends", || {
            services.must("flush");
            lab.counter("sessions") == 0
        });
        assert_eq!(
            configured()
                .iter()
                .filter(|line| line.contains("udp 10"))
                .count(),
            0
        );
        lab.exec("director", &["ipvsadm", "-C"]);
        eventually("the maps are given back", || file.write("none").is_ok());
    });
}
