// SPDX-License-Identifier: GPL-2.0-only
//! Frames that are larger than the card of their way out sends, and cards whose frames are
//! too large for XDP.

use super::counted::{Counted, no_wrong_checksum};
use super::{at_xdp, between_cards, file, talks};
use crate::cards::Cards;
use crate::lab::stderr;
use crate::path_mtu::{self, FAMILIES, download, learned, narrow_link, upload};
use crate::talk::Talk;
use crate::xdp::program;

/// Client and server are behind routers, whose links take larger packets than this link. The
/// MTU comes first, so that no program is there when the driver sets up its queues again.
fn lab(link: [[&str; 2]; 2]) -> Cards {
    let mut cards = Cards::new();
    cards.far();
    narrow_link(&cards, link);
    let file = path_mtu::FILE.replace("[director]\n", "[director]\nxdp = true\nfast_path = true\n");
    cards.apply(&file);
    cards
}

/// 5 MB have at least as many packets of 1280 bytes.
const PACKETS: u64 = 4000;

/// A transfer that begins with frames that are too large. The others leave at XDP.
fn too_large(cards: &Cards, counter: &str, transfer: impl Fn()) {
    let (too_big, before) = (cards.counter(counter), Counted::of_all_so_far(cards));
    transfer();
    assert!(cards.counter(counter) > too_big);
    before.all_at_xdp(cards, PACKETS);
}

#[test]
#[ignore = "make test-drivers"]
fn a_frame_too_large_for_the_card_to_clients_makes_an_icmp_error_for_the_server() {
    let cards = lab([["director", "eth0"], ["client", "eth0"]]);
    for (url, _, local_ip) in FAMILIES {
        too_large(&cards, "drop_reply_too_big", || download(&cards, url));
        assert!(learned(&cards, "farserver", local_ip), "{local_ip}");
        upload(&cards, url);
    }
    no_wrong_checksum(&cards);
}

#[test]
#[ignore = "make test-drivers"]
fn a_frame_too_large_for_the_card_to_servers_makes_an_icmp_error_for_the_client() {
    let cards = lab([["director", "eth1"], ["switch", "director"]]);
    for (url, vip, _) in FAMILIES {
        too_large(&cards, "drop_too_big", || upload(&cards, url));
        assert!(learned(&cards, "farclient", vip), "{vip}");
        download(&cards, url);
    }
    no_wrong_checksum(&cards);
}

#[test]
#[ignore = "make test-drivers"]
fn a_card_whose_frames_need_several_pages_is_refused_and_taken_when_they_do_not() {
    let cards = between_cards();
    let mut talks = talks(&cards);
    let first: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    let without = file().replace("xdp = true\n", "");
    cards.apply(&without);
    let mtu = |mtu: &str| {
        for (host, name) in [("director", "eth1"), ("switch", "director")] {
            cards.exec(host, &["ip", "link", "set", name, "mtu", mtu]);
        }
    };
    mtu("9000");
    let output = cards.with_file(&["apply"], &file());
    assert!(!output.status.success());
    let text = stderr(&output);
    assert!(
        text.contains("interface eth1 at XDP") && text.contains("MTU"),
        "{text}"
    );
    assert_eq!(program(&cards, "eth1"), None);
    let now: Vec<_> = talks.iter_mut().map(Talk::ask).collect();
    assert_eq!(now, first, "the connections continue");
    mtu("1500");
    cards.apply(&file());
    at_xdp(&cards, &mut talks);
    assert_eq!(talks.iter_mut().map(Talk::ask).collect::<Vec<_>>(), first);
}
