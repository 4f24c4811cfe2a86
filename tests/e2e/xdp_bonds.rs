// SPDX-License-Identifier: GPL-2.0-only
//! A bond as the interface to clients: its program runs in the drivers of its ports. Client
//! and director are joined by two veths, and both have a bond of them. The way to the servers
//! is a card, which takes frames on every kernel.

use std::thread::sleep;
use std::time::Duration;

use crate::cards::{Cards, OF_CLIENT, TO_CLIENTS, ip};
use crate::fast_path::fast;
use crate::lab::{Lab, eventually};
use crate::talk::Talk;
use crate::xdp::{other_program_at, plan_and_error, program, sent_at_xdp, session_says};
use crate::xdp_leases::kernel_is_since;

/// Native XDP of bonds is as old.
fn bonds_have_xdp() -> bool {
    kernel_is_since(5, 15)
}

fn at_xdp() -> String {
    let file = fast().replace("\"eth0\"", "\"bond0\"");
    file.replace("[director]\n", "[director]\nxdp = true\n")
}

/// The modes of both bonds, as `ip link` takes them.
fn bonded(director: &str, client: &str) -> Cards {
    let lab = Cards::new();
    let peers = lab.namespace("client");
    for port in ["p0", "p1"] {
        let veth = format!("link add {port} type veth peer name {port} netns {peers}");
        ip(&lab, "director", &[&veth]);
    }
    for (host, mode, addresses) in [
        ("director", director, &TO_CLIENTS[..]),
        ("client", client, &OF_CLIENT[..]),
    ] {
        ip(
            &lab,
            host,
            &[
                "link set eth0 down",
                &format!("link add bond0 type bond mode {mode} miimon 50"),
                "link set p0 master bond0",
                "link set p1 master bond0",
                "link set bond0 up",
            ],
        );
        let at_bond: Vec<String> = addresses
            .iter()
            .map(|line| line.replace("eth0", "bond0"))
            .collect();
        ip(
            &lab,
            host,
            &at_bond.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
    for host in ["director", "client"] {
        eventually("the bonds have found one another", || {
            let text = lab.exec(host, &["cat", "/proc/net/bonding/bond0"]);
            let with = |what: &str| text.contains(what);
            let partner = !with("Partner Mac Address: 00:00:00:00:00:00");
            !with("802.3ad info") || with("Number of ports: 2") && partner
        });
    }
    // The client finishes its checksums, as on a wire.
    for device in ["bond0", "p0", "p1"] {
        lab.exec("client", &["ethtool", "-K", device, "tx", "off"]);
    }
    lab
}

/// The datagrams that the servers have received.
fn received(lab: &Lab) -> u64 {
    let of = |host| {
        let lines = lab.exec(host, &["cat", "/proc/net/snmp"]);
        let udp: Vec<&str> = lines
            .lines()
            .filter(|line| line.starts_with("Udp:"))
            .collect();
        let at = udp[0]
            .split(' ')
            .position(|name| name == "InDatagrams")
            .unwrap();
        udp[1].split(' ').nth(at).unwrap().parse::<u64>().unwrap()
    };
    of("server1") + of("server2")
}

const REQUESTS: u64 = 20;

/// Asks until requests without exception leave at XDP. Each of them arrives once.
fn requests_leave_at_xdp(lab: &Lab, talk: &mut Talk) {
    session_says(lab, talk, "both", "original");
    eventually("each request leaves at XDP", || {
        let (sent, arrived) = (sent_at_xdp(lab), received(lab));
        for _ in 0..REQUESTS {
            talk.ask();
        }
        // A second copy is not far behind.
        sleep(Duration::from_millis(200));
        assert_eq!(received(lab) - arrived, REQUESTS);
        sent_at_xdp(lab) - sent == REQUESTS
    });
}

#[test]
fn requests_that_come_in_at_any_port_of_a_bond_leave_at_xdp() {
    for mode in [
        "balance-rr",
        "balance-xor xmit_hash_policy layer3+4",
        "802.3ad lacp_rate slow",
    ] {
        let lab = bonded(mode, mode);
        if !bonds_have_xdp() {
            let output = lab.with_file(&["apply"], &at_xdp());
            assert!(!output.status.success());
            assert!(plan_and_error(&output).contains("native XDP"));
            return;
        }
        lab.apply(&at_xdp());
        assert!(program(&lab, "bond0").is_some());
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        requests_leave_at_xdp(&lab, &mut talk);
        let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
        let (first, sent) = (talk.ask(), sent_at_xdp(&lab));
        eventually("TCP leaves at XDP", || {
            assert_eq!(talk.ask(), first);
            sent_at_xdp(&lab) > sent + REQUESTS
        });
        // Without the program, they take tc.
        lab.apply(&at_xdp().replace("xdp = true\n", ""));
        assert_eq!(program(&lab, "bond0"), None);
        assert_eq!(talk.ask(), first);
    }
}

/// The client's bond sends each frame by both of its ports. The director's bond drops what
/// comes in at its backup port.
#[test]
fn a_frame_at_the_backup_port_of_a_bond_is_not_sent_and_a_failover_changes_the_port() {
    if !bonds_have_xdp() {
        return;
    }
    let lab = bonded("active-backup", "broadcast");
    lab.apply(&at_xdp());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let first = talk.ask();
    for active in ["p1", "p0", "p1"] {
        let choose = format!("link set bond0 type bond active_slave {active}");
        ip(&lab, "director", &[&choose]);
        requests_leave_at_xdp(&lab, &mut talk);
    }
    // The active port goes down, and then leaves the bond.
    lab.exec("client", &["ip", "link", "set", "p1", "down"]);
    eventually("the bond notices", || {
        let file = "/sys/class/net/bond0/bonding/active_slave";
        lab.exec("director", &["cat", file]).trim() == "p0"
    });
    requests_leave_at_xdp(&lab, &mut talk);
    ip(&lab, "director", &["link set p1 nomaster"]);
    requests_leave_at_xdp(&lab, &mut talk);
    // It comes back as a backup.
    ip(
        &lab,
        "director",
        &["link set p1 down", "link set p1 master bond0"],
    );
    lab.exec("client", &["ip", "link", "set", "p1", "up"]);
    requests_leave_at_xdp(&lab, &mut talk);
    assert_eq!(talk.ask(), first);
}

#[test]
fn a_bond_where_the_kernel_has_no_xdp_is_refused_with_its_reason() {
    let lab = Lab::new();
    lab.apply(&fast());
    let refused = |lines: &[&str], what: &[&str]| {
        ip(&lab, "director", lines);
        let file = at_xdp().replace("xdp = true", "xdp = [\"bond0\"]");
        let output = lab.with_file(&["apply"], &file);
        assert!(!output.status.success());
        let text = plan_and_error(&output);
        for what in what {
            assert!(text.contains(what), "{text}");
        }
    };
    refused(
        &["link add bond0 type bond mode balance-alb"],
        &["the interface bond0 is a bond with the mode balance-alb, for which the kernel has no"],
    );
    ip(
        &lab,
        "director",
        &["link set bond0 type bond mode balance-xor"],
    );
    // The kernel has this policy since then.
    if kernel_is_since(5, 12) {
        refused(
            &["link set bond0 type bond xmit_hash_policy vlan+srcmac"],
            &["is a bond with the hash policy vlan+srcmac"],
        );
    }
    // A port with a program of another tool.
    ip(
        &lab,
        "director",
        &[
            "link set bond0 type bond xmit_hash_policy layer2",
            "link add p0 type veth peer name p1",
        ],
    );
    let other = other_program_at(&lab, "watcher", "p0");
    refused(
        &["link set p0 master bond0"],
        &["the interface bond0 is a bond, and its port p0 has an XDP program of its own"],
    );
    drop(other);
    // A port whose driver has no XDP.
    refused(
        &[
            "link add dummy0 type dummy",
            "link set dummy0 master bond0",
            "link set bond0 up",
        ],
        &[
            "interface bond0 at XDP",
            "that of a port of a bond, has no native XDP",
        ],
    );
    // Tags that the program cannot see.
    refused(
        &[
            "link set dummy0 nomaster",
            "link add link bond0 name bond0.7 type vlan id 7",
        ],
        &["the interface p0 is a veth with the VLAN bond0.7"],
    );
    if bonds_have_xdp() {
        ip(&lab, "director", &["link del bond0.7"]);
        lab.apply(&at_xdp().replace("xdp = true", "xdp = [\"bond0\"]"));
        assert!(program(&lab, "bond0").is_some());
    }
}
