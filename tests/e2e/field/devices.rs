// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces that are made of others lead to the servers. An interface and the one below
//! are both in the file, as by a pattern.

use crate::fast_path::{fast, is_unused, warm};
use crate::lab::{Lab, success};
use crate::talk::Talk;

use super::{LOCAL_IP, script, works, works_from};

/// The director's `over0` and the servers' get the addresses of the interfaces below.
fn move_addresses(lab: &Lab, servers: bool) {
    let addresses = |below: &str, addresses: &[&str]| {
        let mut lines = format!("ip addr flush dev {below}\nip link set over0 up\n");
        for address in addresses {
            lines += &format!("ip addr add {address}/24 dev over0\n");
        }
        lines
    };
    script(lab, "director", &addresses("eth1", &["10.2.0.1", LOCAL_IP]));
    for (server, address) in [("server1", "10.2.0.2"), ("server2", "10.2.0.3")] {
        if servers {
            script(lab, server, &addresses("eth0", &[address]));
        }
    }
}

/// Full NAT works with the program at both interfaces, and flows get the fast path.
fn works_at_both(lab: &Lab) {
    let file = fast().replace("\"eth1\"", "\"eth1\", \"over0\"");
    lab.apply(&file);
    works(lab);
    for (protocol, port) in [("udp", 7), ("tcp", 80)] {
        warm(lab, &mut Talk::new(lab, protocol, ("10.0.0.1", port)));
    }
    let output = lab.with_file(&["doctor"], &file);
    success(&output);
}

#[test]
fn a_bond_and_its_port() {
    let lab = Lab::new();
    script(
        &lab,
        "director",
        "ip link set eth1 down\n\
         ip link add over0 type bond mode active-backup miimon 100\n\
         ip link set eth1 master over0",
    );
    move_addresses(&lab, false);
    works_at_both(&lab);
}

#[test]
fn a_bridge_and_its_port() {
    let lab = Lab::new();
    script(
        &lab,
        "director",
        "ip link add over0 type bridge forward_delay 0\n\
         ip link set eth1 master over0",
    );
    move_addresses(&lab, false);
    works_at_both(&lab);
}

/// As keepalived does it for VRRP (`use_vmac`).
#[test]
fn a_macvlan_and_its_parent() {
    let lab = Lab::new();
    script(
        &lab,
        "director",
        "ip link add over0 link eth1 type macvlan mode private",
    );
    move_addresses(&lab, false);
    works_at_both(&lab);
}

#[test]
fn two_tags_of_vlans() {
    let lab = Lab::new();
    for (host, below) in [
        ("director", "eth1"),
        ("server1", "eth0"),
        ("server2", "eth0"),
    ] {
        let tags = format!(
            "ip link add link {below} name outer type vlan proto 802.1ad id 100\n\
             ip link set outer up\n\
             ip link add link outer name over0 type vlan id 7"
        );
        script(&lab, host, &tags);
    }
    move_addresses(&lab, true);
    works_at_both(&lab);
}

/// The tunnels' frames have an Ethernet header.
#[test]
fn a_vxlan_over_the_servers_network() {
    let lab = Lab::new();
    for (host, below, address) in [
        ("director", "eth1", "10.9.0.1"),
        ("server1", "eth0", "10.9.0.2"),
        ("server2", "eth0", "10.9.0.3"),
    ] {
        let tunnel = format!(
            "ip link add over0 type vxlan id 7 dstport 4789 group 239.1.1.1 dev {below}\n\
             ip link set over0 up\n\
             ip addr add {address}/24 dev over0"
        );
        script(&lab, host, &tunnel);
    }
    script(&lab, "director", "ip addr add 10.9.0.100/24 dev over0");
    let file = fast()
        .replace("\"10.2.0.", "\"10.9.0.")
        .replace("\"eth1\"", "\"eth1\", \"over0\"");
    lab.apply(&file);
    works_from(&lab, "10.9.0.100");
    warm(&lab, &mut Talk::new(&lab, "udp", ("10.0.0.1", 7)));
}

/// Packets without an Ethernet header are never on the fast path.
#[test]
fn tunnels_without_ethernet() {
    for kind in ["ipip", "gre"] {
        let lab = Lab::new();
        for (server, number) in [("server1", 2), ("server2", 3)] {
            let to_server = format!(
                "ip link add over{number} type {kind} local 10.2.0.1 remote 10.2.0.{number}\n\
                 ip link set over{number} up\n\
                 ip route add 10.9.0.{number} dev over{number}"
            );
            script(&lab, "director", &to_server);
            let to_director = format!(
                "ip link add over0 type {kind} local 10.2.0.{number} remote 10.2.0.1\n\
                 ip link set over0 up\n\
                 ip addr add 10.9.0.{number} dev over0\n\
                 ip route add 10.9.0.0/24 dev over0"
            );
            script(&lab, server, &to_director);
        }
        script(&lab, "director", "ip addr add 10.9.0.100 dev over2");
        let file = fast().replace("\"10.2.0.", "\"10.9.0.");
        lab.apply(&file);
        works_from(&lab, "10.9.0.100");
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        for _ in 0..10 {
            assert_eq!(talk.ask().peer, "10.9.0.100");
        }
        is_unused(&lab);
        let found = String::from_utf8(lab.with_file(&["doctor"], &file).stdout).unwrap();
        assert!(found.contains("the fast path needs Ethernet"), "{found}");
    }
}
