// SPDX-License-Identifier: GPL-2.0-only
//! The whole data plane at XDP in the drivers of cards: `make test-drivers`. CARD chooses the
//! model.

mod changes;
mod counted;
mod failover;
mod merging;
mod mtu;
mod tags;
mod transfers;

use crate::cards::Cards;
use crate::lab::Lab;
use crate::talk::Talk;
use crate::xdp::{program, warm_where};

/// Web on port 80 and UDP echo on port 7, for both families, with two servers each.
fn file() -> String {
    let mut text = String::from(
        "[director]\nxdp = true\nfast_path = true\ninterfaces = [\"eth0\", \"eth1\"]\n\
         max_sessions = 1000\n\n\
         [local_ips.default]\naddresses = [\"10.2.0.100\", \"fd00:2::100\"]\n",
    );
    for (vip, servers) in [
        ("10.0.0.1", ["10.2.0.2", "10.2.0.3"]),
        ("[fd00::1]", ["[fd00:2::2]", "[fd00:2::3]"]),
    ] {
        for (protocol, port, server_port) in [("tcp", 80, 8080), ("udp", 7, 7)] {
            text += &format!(
                "\n[[service]]\naddress = \"{protocol}://{vip}:{port}\"\n\
                 scheduler = \"rr\"\nsnat = \"default\"\n"
            );
            for server in servers {
                text += &format!("  [[service.server]]\n  address = \"{server}:{server_port}\"\n");
            }
        }
    }
    text
}

/// The VIPs as in a URL.
const VIPS: [&str; 2] = ["10.0.0.1", "[fd00::1]"];

/// A director between two cards, with the file applied.
fn between_cards() -> Cards {
    let cards = Cards::new();
    cards.apply(&file());
    for interface in ["eth0", "eth1"] {
        assert!(program(&cards, interface).is_some(), "{interface}");
    }
    cards
}

/// A flow of each protocol and family, whose packets leave at XDP.
fn talks(lab: &Lab) -> Vec<Talk> {
    let mut talks = Vec::new();
    for vip in ["10.0.0.1", "fd00::1"] {
        for (kind, port) in [("udp", 7), ("tcp", 80)] {
            talks.push(Talk::new(lab, kind, (vip, port)));
        }
    }
    at_xdp(lab, &mut talks);
    talks
}

/// Sends requests until both directions of each flow leave at XDP.
fn at_xdp(lab: &Lab, talks: &mut [Talk]) {
    talks
        .iter_mut()
        .for_each(|talk| warm_where(lab, talk, true));
}
