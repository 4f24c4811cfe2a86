// SPDX-License-Identifier: GPL-2.0-only
//! The fast path: which packets take it, what ends it, and that IPVS still owns every
//! connection. The other tests check everything else: `FAST_PATH=off` runs them without it,
//! except for those whose files reach the CLI by a path.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aya::maps::{Array, Map, MapData};
use ipvs_bpf::datapath::abi::{Control, Lease, PACKET_BITS};

use crate::accounting::{becomes, one_server};
use crate::balance::{balanced, flows, leases, pins};
use crate::full_nat::FILE;
use crate::ipv6;
use crate::lab::{Lab, eventually, success};
use crate::talk::Talk;

/// Turns the fast path on, even if the tests run without it.
pub fn fast() -> String {
    FILE.replace("[director]\n", "[director]\nfast_path = true\n")
}

pub fn slow() -> String {
    FILE.replace("[director]\n", "[director]\nfast_path = false\n")
}

/// The fast-path packets of both directions.
pub fn fast_packets(lab: &Lab) -> [u64; 2] {
    ["fast_packets_original", "fast_packets_reply"].map(|name| lab.counter(name))
}

/// Checks that no packet has taken the fast path. The module adds to its counters within two
/// seconds. Until then the packets are in the leases.
pub fn is_unused(lab: &Lab) {
    let packets = |lease: Lease| lease.forwarded & ((1 << PACKET_BITS) - 1);
    let waiting: u64 = leases(lab).into_iter().map(packets).sum();
    assert_eq!((waiting, fast_packets(lab)), (0, [0, 0]));
}

/// Sends requests until packets of both directions have taken the fast path.
pub fn warm(lab: &Lab, talk: &mut Talk) {
    let before = fast_packets(lab);
    eventually("packets take the fast path in both directions", || {
        talk.ask();
        let now = fast_packets(lab);
        now[0] > before[0] && now[1] > before[1]
    });
}

#[test]
fn each_table_of_flows_has_a_seed_of_its_own() {
    let lab = Lab::new();
    let seeds = [10_000, 20_000, 10_000].map(|size| {
        let size = format!("max_sessions = {size}");
        lab.apply(&fast().replace("max_sessions = 10_000", &size));
        let control = MapData::from_pin(pins(&lab).join("control")).unwrap();
        let control = Array::<_, Control>::try_from(Map::Array(control)).unwrap();
        control.get(&0, 0).unwrap().seed
    });
    let different = BTreeSet::from(seeds);
    assert!(different.len() == 3 && !different.contains(&0), "{seeds:?}");
}

#[test]
fn packets_of_udp_and_tcp_take_the_fast_path_once_ipvs_has_accepted_them() {
    let lab = Lab::new();
    lab.apply(&fast());
    for (kind, port) in [("udp", 7), ("tcp", 80)] {
        let mut talk = Talk::new(&lab, kind, ("10.0.0.1", port));
        let first = talk.ask();
        assert_eq!(first.peer, "10.2.0.100");
        warm(&lab, &mut talk);
        assert_eq!(talk.ask(), first, "the same server sees the same peer");
    }
}

#[test]
fn without_the_fast_path_no_packet_takes_it() {
    let lab = Lab::new();
    lab.apply(&slow());
    for (kind, port) in [("udp", 7), ("tcp", 80)] {
        let mut talk = Talk::new(&lab, kind, ("10.0.0.1", port));
        for _ in 0..20 {
            talk.ask();
        }
    }
    is_unused(&lab);
    assert_eq!(flows(&lab), 0, "nothing got a lease");
}

#[test]
fn the_fast_path_is_switched_off_and_on_again_under_connections_that_live() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talks: Vec<Talk> = [("udp", 7), ("tcp", 80)]
        .iter()
        .map(|(kind, port)| Talk::new(&lab, kind, ("10.0.0.1", *port)))
        .collect();
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    for _ in 0..2 {
        talks.iter_mut().for_each(|talk| warm(&lab, talk));
        let plan = lab.apply(&slow());
        assert!(plan.contains("~ fast path on → off"), "{plan}");
        // Existing leases expire.
        let mut before = [0; 2];
        eventually("no packet takes the fast path any more", || {
            for talk in &mut talks {
                talk.ask();
            }
            sleep(Duration::from_millis(1500));
            let now = fast_packets(&lab);
            let stands_still = now == before;
            before = now;
            stands_still
        });
        let now: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
        assert_eq!(now, first);
        let plan = lab.apply(&fast());
        assert!(plan.contains("~ fast path off → on"), "{plan}");
    }
    assert!(success(&lab.ipvs_bpf(&["save"])).contains("10.2.0.100"));
}

#[test]
fn a_timeout_of_ipvs_that_is_shorter_than_the_talk_does_not_end_it() {
    let lab = Lab::new();
    lab.apply(&(fast() + "[timeouts]\nudp = \"6s\"\n"));
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    warm(&lab, &mut talk);
    eventually("it goes on for two timeouts without a pause", || {
        let first = talk.ask();
        let created = lab.counter("sessions_created");
        let begin = Instant::now();
        while begin.elapsed().as_secs() < 13 {
            let asked = Instant::now();
            let answer = talk.ask();
            sleep(Duration::from_millis(100));
            // A very busy host makes pauses that IPVS may take for the end of the
            // connection.
            if asked.elapsed().as_secs() > 2 {
                return false;
            }
            assert_eq!(answer, first);
        }
        assert_eq!(lab.counter("sessions_created"), created);
        true
    });
    eventually("the session ends when nobody talks any more", || {
        lab.sessions().is_empty()
    });
}

#[test]
fn large_transfers_take_the_fast_path_and_arrive_whole() {
    let lab = Lab::new();
    lab.apply(&ipv6::FILE.replace("[director]\n", "[director]\nfast_path = true\n"));
    for host in ["10.0.0.1", "[fd00::1]"] {
        let before = fast_packets(&lab);
        let script = format!("curl -sS --fail --max-time 300 http://{host}/bytes/20000000 | wc -c");
        let size = lab.exec("client", &["sh", "-c", &script]);
        assert_eq!(size.trim(), "20000000", "{host}");
        eventually("the transfer is in the counters", || {
            let now = fast_packets(&lab);
            (0..2).all(|direction| now[direction] > before[direction] + 100)
        });
    }
}

#[test]
fn a_firewall_rule_before_ours_takes_effect_when_the_lease_ends() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    warm(&lab, &mut talk);
    let rules = "table ip t { chain c { type filter hook prerouting priority -450; \
                 ip daddr 10.0.0.1 drop; }; }";
    lab.exec("director", &["nft", rules]);
    // One answer may be late if the host is busy.
    eventually("the flow starves", || {
        let before = fast_packets(&lab);
        (0..4).all(|_| talk.try_ask(1).is_err()) && fast_packets(&lab) == before
    });
}

#[test]
fn a_neighbour_that_moves_is_followed_within_the_lease() {
    let lab = Lab::new();
    lab.apply(&fast());
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let first = talk.ask();
    warm(&lab, &mut talk);
    let device = [
        "ip",
        "link",
        "set",
        "dev",
        "eth0",
        "address",
        "02:00:00:00:77:01",
    ];
    lab.exec(&first.server, &device);
    lab.exec("director", &["ip", "neigh", "flush", "all"]);
    eventually("the server answers at its new address", || {
        talk.try_ask(1).is_ok_and(|answer| answer == first)
    });
    warm(&lab, &mut talk);
}

/// 80 slots for the 400 flows of both directions.
#[test]
fn a_full_table_of_flows_costs_speed_only() {
    let lab = Lab::new();
    let few = one_server().replace("max_sessions = 10_000", "max_sessions = 20");
    lab.apply(&few.replace("[director]\n", "[director]\nfast_path = true\n"));
    let mut talks: Vec<_> = (0..200)
        .map(|_| Talk::new(&lab, "udp", ("10.0.0.1", 7)))
        .map(|mut talk| {
            let first = talk.ask();
            (talk, first)
        })
        .collect();
    let mut rounds = 1;
    eventually(
        "some flows have no slot, and others take the fast path",
        || {
            for (talk, first) in &mut talks {
                assert_eq!(&talk.ask(), &*first);
            }
            rounds += 1;
            lab.counter("flows_full") > 200 && fast_packets(&lab).iter().all(|count| *count > 200)
        },
    );
    assert_eq!(lab.counter("flows_no_memory"), 0);
    // Slots change their owners, and no packet is counted twice or not at all.
    let request = 28 + "hello".len() as u64;
    // server.py answers "NAME ADDRESS PORT LENGTH hello".
    let answers = talks
        .iter()
        .map(|(_, first)| 28 + format!("server1 10.2.0.100 {} 5 hello", first.port).len() as u64);
    let answers: u64 = answers.sum();
    becomes(&lab, "10.0.0.1:7 ", || {
        let asked = 200 * rounds;
        [200, asked, asked, asked * request, rounds * answers]
    });
    balanced(&lab);
}
