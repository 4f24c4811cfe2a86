// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces that are removed while sessions exist. The module must release its
//! references: `ip link del` returns only when nothing holds the device.

use crate::balance::balanced;
use crate::calls::Calls;
use crate::full_nat::FILE;
use crate::lab::Lab;
use crate::talk::Talk;

/// Sessions with cached routes in both directions.
fn idle_sessions(lab: &Lab) -> Vec<Talk> {
    let mut talks = Vec::new();
    for (kind, port) in [("tcp", 80), ("udp", 7)] {
        let mut talk = Talk::new(lab, kind, ("10.0.0.1", port));
        for _ in 0..3 {
            talk.ask();
        }
        talks.push(talk);
    }
    talks
}

fn the_interface_goes_at_once(interface: &str) {
    let lab = Lab::new();
    lab.apply(FILE);
    let _talks = idle_sessions(&lab);
    lab.exec("director", &["ip", "link", "del", interface]);
    // They stay until their timers expire.
    assert_eq!(balanced(&lab), 2);
}

#[test]
fn the_interface_to_servers_goes_while_idle_sessions_keep_routes_to_it() {
    the_interface_goes_at_once("eth1");
}

#[test]
fn the_interface_to_clients_goes_while_idle_sessions_keep_routes_to_it() {
    the_interface_goes_at_once("eth0");
}

/// Interfaces of containers come and go, and there may be a million sessions.
#[test]
fn sessions_are_looked_at_only_when_an_interface_goes_that_they_use() {
    let lab = Lab::alone();
    lab.apply(FILE);
    let mut talks = idle_sessions(&lab);
    let looks = Calls::of("ivb_session_routes_forget");
    let delete = |interface: &str| {
        let before = looks.number();
        lab.exec("director", &["ip", "link", "del", interface]);
        looks.number() - before
    };
    let add = "ip link add veth0 type veth peer name veth1 && ip link set veth0 up";
    lab.exec("director", &["sh", "-ec", add]);
    assert_eq!(delete("veth0"), 0);
    for talk in &mut talks {
        talk.ask();
    }
    assert_eq!(delete("eth1"), 2);
    // It was noted for both.
    assert_eq!(delete("eth0"), 2);
}
