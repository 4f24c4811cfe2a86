// SPDX-License-Identifier: GPL-2.0-only
//! Cards that remove VLAN tags from frames, where a program at XDP cannot see them.

use super::counted::no_wrong_checksum;
use super::{at_xdp, file, talks};
use crate::cards::{Cards, ip};
use crate::xdp::{plan_and_error, program};

#[test]
#[ignore = "make test-drivers"]
fn a_card_that_removes_tags_is_refused_until_it_leaves_them_in_the_frame() {
    let cards = Cards::new();
    ip(
        &cards,
        "director",
        &["link add link eth1 name eth1.7 type vlan id 7"],
    );
    let features = cards.exec("director", &["ethtool", "-k", "eth1"]);
    if features.contains("rx-vlan-offload: on") {
        let output = cards.with_file(&["apply"], &file());
        assert!(!output.status.success());
        let text = plan_and_error(&output);
        for what in [
            "the interface eth1 removes the tags of eth1.7",
            "`ethtool -K eth1 rxvlan off`",
        ] {
            assert!(text.contains(what), "{text}");
        }
        assert_eq!(program(&cards, "eth0"), None, "nothing was changed");
        cards.exec("director", &["ethtool", "-K", "eth1", "rxvlan", "off"]);
    }
    cards.apply(&file());
    // The VLAN has the same addresses behind it: its frames are not ours.
    ip(
        &cards,
        "switch",
        &[
            "link add link director name tagged type vlan id 7",
            "link set tagged up",
        ],
    );
    let mut talks = talks(&cards);
    let before: Vec<_> = talks.iter_mut().map(crate::talk::Talk::ask).collect();
    ip(
        &cards,
        "director",
        &["link set eth1.7 up", "addr add 10.7.0.1/24 dev eth1.7"],
    );
    ip(&cards, "switch", &["addr add 10.7.0.2/24 dev tagged"]);
    cards.exec("director", &["ping", "-c", "3", "-W", "60", "10.7.0.2"]);
    at_xdp(&cards, &mut talks);
    let after: Vec<_> = talks.iter_mut().map(crate::talk::Talk::ask).collect();
    assert_eq!(after, before);
    // The card is as other tests expect it.
    if features.contains("rx-vlan-offload: on") {
        cards.exec("director", &["ethtool", "-K", "eth1", "rxvlan", "on"]);
    }
    no_wrong_checksum(&cards);
}
