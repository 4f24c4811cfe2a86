// SPDX-License-Identifier: GPL-2.0-only
//! The director between cards fails, and a second one on veths, with the same file,
//! continues its connections.

use std::process::Command;

use super::at_xdp;
use super::counted::no_wrong_checksum;
use crate::cards::Cards;
use crate::failover::{all_kinds, sessions};
use crate::lab::{eventually, run, success};
use crate::pair::{both_families, fail, on, pair_in};
use crate::talk::Talk;

#[test]
#[ignore = "make test-drivers"]
fn connections_that_leave_at_xdp_outlive_their_director() {
    let folder = tempfile::tempdir().unwrap();
    run(Command::new("modprobe").arg("sctp"));
    let file = all_kinds().replace("[director]\n", "[director]\nxdp = true\nfast_path = true\n");
    let mut cards = Cards::new();
    pair_in(&mut cards, folder.path(), &file, &both_families());
    let mut talks = Vec::new();
    for vip in ["10.1.0.100", "fd00:1::100"] {
        for (kind, port) in [("tcp", 80), ("udp", 7)] {
            talks.push(Talk::new(&cards, kind, (vip, port)));
        }
    }
    let before: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    at_xdp(&cards, &mut talks);
    eventually("the second director knows the sessions", || {
        let now: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
        assert_eq!(now, before);
        sessions(&cards, "director2").len() == before.len()
    });
    no_wrong_checksum(&cards);
    fail(&cards);
    let after: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(after, before);
    success(&on(&cards, "director2", &["down"]));
}
