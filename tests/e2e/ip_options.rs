// SPDX-License-Identifier: GPL-2.0-only
//! IPv4 options in both directions through full NAT.

use crate::fragments::{lab, track};
use crate::lab::eventually;

/// No operation, record route with room for three addresses, and a timestamp.
const OPTIONS: [&str; 3] = [
    "01010101",
    "070f0400000000000000000000000000",
    "440c0500000000000000000000000000",
];

#[test]
fn ipv4_options_pass_in_both_directions() {
    let record = format!("ipoptions={}", OPTIONS[1]);
    let lab = lab(&["lab/net/udp.py", "echo", "1200", &record]);
    let tracked = track(&lab);
    for options in OPTIONS {
        let key = format!("ipoptions={options}");
        for size in ["100", "4000"] {
            let ask = ["lab/net/udp.py", "ask", "10.0.0.1", "7", size, &key];
            assert_eq!(lab.exec("client", &ask), "whole\n", "{options}, {size}");
        }
        let script = format!(
            "import socket\n\
             s = socket.socket()\n\
             s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes.fromhex('{options}'))\n\
             s.connect(('10.0.0.1', 80))\n\
             s.sendall(b'GET /bytes/100000 HTTP/1.0\\r\\n\\r\\n')\n\
             print(len(b''.join(iter(lambda: s.recv(65536), b''))) > 100000)"
        );
        let answer = lab.exec("client", &["/usr/bin/python3", "-ISc", &script]);
        assert_eq!(answer, "True\n", "{options}");
    }
    let tracked = tracked();
    assert!(!tracked.contains("tcp"), "{tracked}");
}

#[test]
fn a_source_route_is_dropped_and_counted() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    let words = [
        "lab/net/packets.py",
        "source-route",
        "10.1.0.2:4444",
        "10.0.0.1:7",
    ];
    lab.exec("client", &words);
    eventually("it is counted", || lab.counter("drop_ip_options") == 1);
    assert!(lab.sessions().is_empty());
}
