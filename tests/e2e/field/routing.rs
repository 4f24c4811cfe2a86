// SPDX-License-Identifier: GPL-2.0-only
//! Routes that depend on more than the destination.

use std::collections::BTreeSet;

use crate::fast_path::{fast, warm};
use crate::full_nat::FILE;
use crate::lab::Lab;
use crate::talk::Talk;

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
        let before = sent(&lab);
        let server = talk.ask().server;
        for _ in 0..20 {
            assert_eq!(talk.ask().peer, LOCAL_IP);
        }
        let now = sent(&lab);
        let packets = [now[0] - before[0], now[1] - before[1]];
        // Neighbours are asked for now and then.
        let way = packets.iter().position(|&packets| packets >= 20);
        let way = way.unwrap_or_else(|| panic!("a flow has one way: {packets:?}"));
        assert!(packets[1 - way] < 10, "{packets:?}");
        seen.insert((server, way));
    }
    assert_eq!(seen.len(), 4, "both ways to both servers: {seen:?}");
}
