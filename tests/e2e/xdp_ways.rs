// SPDX-License-Identifier: GPL-2.0-only
//! Ways out that take no frames from the program at XDP, although the card below takes them:
//! every packet leaves at tc, and none is lost. Ways out that lack queues or are down are in
//! xdp.rs and drivers/changes.rs.

use std::thread::{self, sleep};
use std::time::Duration;

use crate::cards::Cards;
use crate::fast_path::{fast, warm};
use crate::lab::Lab;
use crate::talk::Talk;
use crate::xdp::{at_xdp, other_program_at, program, sent_at_xdp, warm_where};
use crate::xdp_leases::way_over;

/// Downloads a file at the client, or directly at the director. Returns its checksum.
fn download(lab: &Lab, host: &str, from: &str) -> String {
    let command = format!("curl -sS --fail --max-time 600 http://{from}/bytes/1000000 | sha256sum");
    lab.exec(host, &["sh", "-c", &command])
}

#[test]
fn frames_out_of_a_bridge_a_bond_or_a_vlan_leave_at_tc_and_all_arrive() {
    for kind in ["bridge", "bond", "vlan"] {
        let lab = Cards::new();
        // The card takes frames as long as it has a program.
        let _other = other_program_at(&lab, "watcher", "eth1");
        way_over(&lab, kind);
        let file = fast().replace("\"eth1\"", "\"over0\"");
        lab.apply(&file.replace("[director]\n", "[director]\nxdp = [\"eth0\"]\n"));
        assert!(program(&lab, "eth0").is_some());
        for (protocol, port) in [("udp", 7), ("tcp", 80)] {
            let mut talk = Talk::new(&lab, protocol, ("10.0.0.1", port));
            let first = talk.ask();
            warm(&lab, &mut talk);
            for _ in 0..20 {
                assert_eq!(talk.ask(), first);
            }
        }
        let direct = download(&lab, "director", "10.2.0.2:8080");
        assert_eq!(download(&lab, "client", "10.0.0.1"), direct);
        assert_eq!(sent_at_xdp(&lab), 0, "{kind}");
    }
}

#[test]
fn a_way_out_that_moves_to_another_namespace_and_back_gets_no_frame_there() {
    let lab = Cards::new();
    lab.apply(&at_xdp());
    let mut talk = Talk::new(&lab, "tcp", ("10.0.0.1", 80));
    let first = talk.ask();
    for _ in 0..2 {
        warm_where(&lab, &mut talk, true);
        lab.move_eth1_away();
        let before = sent_at_xdp(&lab);
        let answer = thread::scope(|scope| {
            // TCP sends the request until it is answered.
            let asking = scope.spawn(|| talk.ask());
            sleep(Duration::from_secs(3));
            assert_eq!(sent_at_xdp(&lab), before);
            lab.move_eth1_back();
            lab.apply(&at_xdp());
            asking.join().unwrap()
        });
        assert_eq!(answer, first, "the connection continues");
        assert!(program(&lab, "eth1").is_some());
    }
    warm_where(&lab, &mut talk, true);
}
