// SPDX-License-Identifier: GPL-2.0-only
//! Routes to servers, neighbours and MTUs that break a director.

use super::network::NATIVE;
use super::{found, ipv6_file, needed, only, running, script};
use crate::full_nat::FILE;
use crate::lab::{Lab, eventually};

#[test]
fn a_server_without_a_route() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.3:", "10.9.0.3:");
    let what = "there is no route to the server 10.9.0.3: Network is unreachable";
    let cure = only(&needed(&lab, &file), "error", "server-no-route", what);
    script(&lab, &cure.replace("ROUTER", "10.2.0.3"));
    assert_eq!(needed(&lab, &file).len(), 0);
    for kind in ["blackhole", "prohibit", "unreachable"] {
        for (file, server) in [(FILE, "10.2.0.3"), (&ipv6_file(), "fd00:2::3")] {
            script(&lab, &format!("ip route add {kind} {server}"));
            let what = format!("there is no route to the server {server}: ");
            only(&needed(&lab, file), "error", "server-no-route", &what);
            script(&lab, &format!("ip route del {kind} {server}"));
        }
    }
}

#[test]
fn a_server_that_does_not_answer_arp() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.3:", "10.2.0.77:");
    assert_eq!(needed(&lab, &file).len(), 0);
    eventually("its neighbour has failed", || {
        lab.try_exec("director", &["ping", "-qc", "1", "-W", "4", "10.2.0.77"]);
        !needed(&lab, &file).is_empty()
    });
    let what = "the server 10.2.0.77 does not answer ARP";
    only(&needed(&lab, &file), "error", "server-unreachable", what);
}

#[test]
fn a_server_behind_an_interface_without_our_programs() {
    let lab = Lab::new();
    // The other end must be on another host: this one would answer its own ARP requests.
    script(
        &lab,
        &format!(
            "ip link add eth9 type veth peer name other9 netns {}
             ip link set eth9 up
             ip address add 10.9.0.1/24 dev eth9
             ip address add 10.9.0.100/24 dev eth9",
            lab.namespace("server2")
        ),
    );
    lab.exec("server2", &["ip", "link", "set", "other9", "up"]);
    let file = FILE
        .replace("10.2.0.3:", "10.9.0.3:")
        .replace("\"10.2.0.100\"", "\"10.2.0.100\", \"10.9.0.100\"");
    let what =
        "the route to the server 10.9.0.3 leaves by eth9, which is not in [director] interfaces";
    found(&needed(&lab, &file), "note", "server-other-interface", what);
    let fixed = file.replace("\"eth1\"]", "\"eth1\", \"eth9\"]");
    let findings = needed(&lab, &fixed);
    // The network of each server contains only one of the local IPs.
    assert!(
        findings.iter().all(|of| of["check"] == "server-way-back"),
        "{findings:#?}"
    );
}

#[test]
fn a_local_ip_that_is_foreign_to_the_network_of_the_server() {
    let lab = Lab::new();
    script(&lab, "ip address add 10.5.0.1/32 dev lo");
    let file = FILE.replace("10.2.0.100", "10.5.0.1");
    let what = "the local IP 10.5.0.1 is not in the network of eth1";
    let cure = only(&needed(&lab, &file), "note", "server-way-back", what);
    // The finding is right: with that route, a server answers.
    lab.apply(&file);
    let get = ["curl", "-sf", "-m", "2", "http://10.0.0.1/"];
    assert!(!lab.try_exec("client", &get).status.success());
    let route = cure.strip_prefix("on the server: ").unwrap();
    let route = route.replace("an address of eth1", "10.2.0.1");
    for server in ["server1", "server2"] {
        lab.exec(server, &["sh", "-ec", &route]);
    }
    assert!(lab.get(&["http://10.0.0.1/"]).contains(" 10.5.0.1 "));
}

#[test]
fn a_server_that_is_this_host() {
    let lab = Lab::new();
    let file = FILE.replace("10.2.0.3:", "10.2.0.1:");
    let what = "the server 10.2.0.1 is this host";
    only(&needed(&lab, &file), "note", "server-local", what);
}

#[test]
fn mtus_that_differ_along_the_path() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(&lab, "ip link set eth1 mtu 1400");
    let what = "packets to the server 10.2.0.2 may have 1400 bytes, packets at eth0 1500";
    only(&running(&lab), "warning", "mtu", what);
    script(&lab, "ip link set eth1 mtu 1500");
    assert_eq!(running(&lab).len(), 0);
    script(&lab, "ip route add 10.2.0.2 dev eth1 mtu 1300");
    let what = "packets to the server 10.2.0.2 may have 1300 bytes";
    only(&running(&lab), "warning", "mtu", what);
}

#[test]
fn a_tunnel_that_has_less_room_than_the_packets_of_clients() {
    let lab = Lab::new();
    let file = NATIVE
        .replace(":80\"\n", ":80\"\n  forward = \"tunnel\"\n")
        .replacen("  forward = \"tunnel\"\n", "", 1);
    let what = "the tunnel to the server 10.2.0.2 has room for 1480 bytes";
    let cure = only(&needed(&lab, &file), "note", "mtu-tunnel", what);
    assert!(cure.starts_with("ip link set eth1 mtu 1520"), "{cure}");
}
