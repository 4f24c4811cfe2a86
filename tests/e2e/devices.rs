// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces that are removed while sessions exist. The module must release its
//! references: `ip link del` returns only when nothing holds the device.

use crate::balance::balanced;
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
