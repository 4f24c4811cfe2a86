// SPDX-License-Identifier: GPL-2.0-only
//! Full NAT over a VLAN.

use crate::fragments::{FILE, SIZES, VIPS, lab, whole};

/// The client's side is a VLAN of eth0, tagged by the device or in software.
#[test]
fn a_tagged_interface_is_as_good_as_another() {
    let lab = lab(&["lab/net/udp.py", "echo", "1200"]);
    for (host, number) in [("director", 1), ("client", 2)] {
        let script = format!(
            "ip link add link eth0 name eth0.10 type vlan id 10 && \
             ip link set eth0.10 up && \
             ip addr add 10.5.0.{number}/24 dev eth0.10 && \
             ip addr add fd00:5::{number}/64 dev eth0.10 nodad"
        );
        lab.exec(host, &["sh", "-c", &script]);
    }
    for gateway in ["10.5.0.1", "fd00:5::1"] {
        let route = ["ip", "route", "replace", "default", "via", gateway];
        lab.exec("client", &route);
    }
    // If eth0 is in the list, the program sees each packet twice.
    for interfaces in [r#"["eth0.10", "eth1"]"#, r#"["eth0", "eth0.10", "eth1"]"#] {
        lab.apply(&FILE.replace(r#"["eth0", "eth1"]"#, interfaces));
        for offload in ["off", "on"] {
            for host in ["client", "director"] {
                let tags = [
                    "ethtool", "-K", "eth0", "txvlan", offload, "rxvlan", offload,
                ];
                lab.exec(host, &tags);
            }
            for vip in VIPS {
                whole(&lab, vip, &SIZES);
            }
            let length = "curl -sS --fail --max-time 300 http://10.0.0.1/bytes/1000000 | wc -c";
            assert_eq!(lab.exec("client", &["sh", "-c", length]), "1000000\n");
        }
    }
    let sessions = lab.sessions();
    assert!(
        sessions.iter().any(|line| line.contains("10.5.0.2")),
        "{sessions:?}"
    );
}
