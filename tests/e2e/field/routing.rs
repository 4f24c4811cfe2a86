// SPDX-License-Identifier: GPL-2.0-only
//! Routes that depend on more than the destination.

use std::collections::BTreeSet;

use crate::fast_path::{fast, warm};
use crate::full_nat::FILE;
use crate::lab::Lab;
use crate::talk::{Answer, Talk};

use super::{LOCAL_IP, script, second_way, works};

#[test]
fn routes_may_depend_on_the_source_that_packets_leave_with() {
    let lab = Lab::new();
    lab.apply(FILE);
    script(
        &lab,
        "director",
        "ip route add table 100 10.1.0.0/24 dev eth0\n\
         ip route del 10.1.0.0/24 dev eth0\n\
         ip rule add from 10.0.0.1 lookup 100 pref 100\n\
         ip route add table 101 10.2.0.0/24 dev eth1\n\
         ip route del 10.2.0.0/24 dev eth1\n\
         ip rule add from 10.2.0.100 lookup 101 pref 101",
    );
    works(&lab);
}

/// The packets that two interfaces have sent.
fn sent(lab: &Lab) -> [u64; 2] {
    ["eth1", "eth2"].map(|interface| {
        let file = format!("/sys/class/net/{interface}/statistics/tx_packets");
        let text = lab.exec("director", &["cat", &file]);
        text.trim().parse().unwrap()
    })
}

/// The interface by which the packets of a flow leave, and the last answer.
fn way(lab: &Lab, talk: &mut Talk) -> (usize, Answer) {
    let before = sent(lab);
    let answers: Vec<_> = (0..21).map(|_| talk.ask()).collect();
    let now = sent(lab);
    let packets = [now[0] - before[0], now[1] - before[1]];
    // Neighbours are asked for now and then.
    let way = packets.iter().position(|&packets| packets >= 20);
    let way = way.unwrap_or_else(|| panic!("a flow has one way: {packets:?}"));
    assert!(packets[1 - way] < 10, "{packets:?}");
    (way, answers[20].clone())
}

#[test]
fn flows_are_spread_over_routes_of_equal_cost_by_their_ports() {
    let lab = Lab::new();
    second_way(&lab);
    script(
        &lab,
        "director",
        "sysctl -qw net.ipv4.fib_multipath_hash_policy=1\n\
         ip route replace 10.2.0.0/24 nexthop dev eth1 nexthop dev eth2",
    );
    lab.apply(&fast().replace("\"eth1\"", "\"eth1\", \"eth2\""));
    works(&lab);
    let mut seen = BTreeSet::new();
    for _ in 0..24 {
        let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
        warm(&lab, &mut talk);
        let (way, answer) = way(&lab, &mut talk);
        assert_eq!(answer.peer, LOCAL_IP);
        seen.insert((answer.server, way));
    }
    assert_eq!(seen.len(), 4, "both ways to both servers: {seen:?}");
}

/// Two local IPs, and a server behind a router.
const IPV6: &str = r#"
[director]
fast_path = false

[local_ips.default]
addresses = ["fd00:2::100", "fd00:2::101"]

[[service]]
address = "udp://[fd00::1]:7"
scheduler = "rr"
snat = "default"
  [[service.server]]
  address = "[fd00:4::2]:7"
"#;

/// A director that reaches the router by two interfaces. Everything goes by the first one.
/// Each session begins with a route that was looked up for another. Also returns the
/// router's address on each link.
fn two_ways_of_ipv6() -> (Lab, String) {
    let mut lab = Lab::new();
    lab.far();
    second_way(&lab);
    script(
        &lab,
        "director",
        "ip addr add fd00:2::101/64 dev eth1 nodad",
    );
    lab.apply(IPV6);
    all_go_by_the_first(&lab);
    let address = "ip -6 -o addr show dev eth0 scope link | sed 's/.*inet6 //; s,/.*,,'";
    let router = lab.exec("server2", &["sh", "-c", address]);
    (lab, router.trim().to_owned())
}

/// The local IP and the way of each of some new flows.
fn ways_of_ipv6(lab: &Lab) -> BTreeSet<(String, usize)> {
    let new = |_| way(lab, &mut Talk::new(lab, "udp", ("fd00::1", 7)));
    let ways = (0..16).map(new);
    ways.map(|(way, answer)| (answer.peer, way)).collect()
}

fn are(ways: &BTreeSet<(String, usize)>, expected: &[(&str, usize)]) {
    let ways: Vec<_> = ways.iter().map(|(ip, way)| (ip.as_str(), *way)).collect();
    assert_eq!(ways, expected);
}

fn all_go_by_the_first(lab: &Lab) {
    are(
        &ways_of_ipv6(lab),
        &[("fd00:2::100", 0), ("fd00:2::101", 0)],
    );
}

fn go_by_their_source(lab: &Lab) {
    are(
        &ways_of_ipv6(lab),
        &[("fd00:2::100", 0), ("fd00:2::101", 1)],
    );
}

#[test]
fn new_sessions_of_ipv6_follow_a_rule_that_comes_later() {
    let (lab, router) = two_ways_of_ipv6();
    let route = format!("ip -6 route add table 102 fd00:4::/64 via {router} dev eth2\n");
    let rule = "ip -6 rule add from fd00:2::101 lookup 102 pref 102";
    script(&lab, "director", &(route + rule));
    go_by_their_source(&lab);
    script(&lab, "director", "ip -6 rule del pref 102");
    all_go_by_the_first(&lab);
}

#[test]
fn new_sessions_of_ipv6_follow_a_route_from_a_source_that_comes_later() {
    let (lab, router) = two_ways_of_ipv6();
    // Linux forgets the other routes to a prefix that has one from a source.
    let route = format!("fd00:4::2 from fd00:2::101 via {router} dev eth2");
    script(&lab, "director", &format!("ip -6 route add {route}"));
    go_by_their_source(&lab);
    script(&lab, "director", &format!("ip -6 route del {route}"));
    all_go_by_the_first(&lab);
}

#[test]
fn new_sessions_of_ipv6_are_spread_over_routes_of_equal_cost_that_come_later() {
    let (lab, router) = two_ways_of_ipv6();
    let [one, two] = ["eth1", "eth2"].map(|interface| format!("via {router} dev {interface}"));
    for routes in [
        format!("ip -6 route replace fd00:4::/64 nexthop {one} nexthop {two}"),
        format!(
            "ip -6 nexthop add id 1 {one}\n\
             ip -6 nexthop add id 2 {two}\n\
             ip nexthop add id 3 group 1/2\n\
             ip -6 route replace fd00:4::/64 nhid 3"
        ),
    ] {
        let by_ports = "sysctl -qw net.ipv6.fib_multipath_hash_policy=1\n";
        script(&lab, "director", &format!("{by_ports}{routes}"));
        let ways = ways_of_ipv6(&lab);
        let ways: BTreeSet<_> = ways.iter().map(|(_, way)| *way).collect();
        assert_eq!(ways.len(), 2);
        script(
            &lab,
            "director",
            &format!("ip -6 route replace fd00:4::/64 {one}"),
        );
        all_go_by_the_first(&lab);
    }
}
