// SPDX-License-Identifier: GPL-2.0-only
//! The way to the servers is lost under load, and comes back. Transfers wait meanwhile, and
//! then end with every byte.

use crate::balance::balanced;
use crate::changes::Load;
use crate::fast_path::{fast, warm};
use crate::lab::{Lab, eventually};
use crate::talk::Talk;

fn script(lab: &Lab, host: &str, lines: &str) {
    lab.exec(host, &["sh", "-ec", lines]);
}

/// Sends datagrams until one gets no answer within two seconds. A lease ends within a second.
fn is_lost(talk: &mut Talk) {
    eventually("datagrams are lost", || talk.try_ask(2).is_err());
}

/// Runs downloads, and a flow on the fast path, through an outage.
fn outlive(begin: impl FnOnce(&Lab), end: impl FnOnce(&Lab)) {
    let lab = Lab::new();
    lab.apply(&fast());
    let load = Load::of_downloads(&lab);
    let mut talk = Talk::new(&lab, "udp", ("10.0.0.1", 7));
    let first = talk.ask();
    warm(&lab, &mut talk);

    begin(&lab);
    is_lost(&mut talk);
    end(&lab);

    eventually("datagrams are answered", || talk.try_ask(2).is_ok());
    warm(&lab, &mut talk);
    assert_eq!(talk.ask(), first, "by the same session");
    lab.get(&["http://10.0.0.1/"]);
    load.end("10.2.0.100");
    // The downloads have ended, and IPVS keeps connections in FIN_WAIT.
    assert_eq!(balanced(&lab), 5);
    assert_eq!(lab.counter("sessions_created"), 5);
}

#[test]
fn the_route_to_the_servers_is_removed_and_comes_back() {
    outlive(
        |lab| script(lab, "director", "ip route del 10.2.0.0/24 dev eth1"),
        |lab| {
            assert!(lab.counter("drop_no_route") > 0);
            script(lab, "director", "ip route add 10.2.0.0/24 dev eth1");
        },
    );
}

#[test]
fn the_servers_link_layer_addresses_get_unknown_and_known_again() {
    let silent =
        "nft 'table arp silent { chain out { type filter hook output priority 0; drop; }; }'";
    outlive(
        |lab| {
            for server in ["server1", "server2"] {
                script(lab, server, silent);
            }
            script(lab, "director", "ip neigh flush dev eth1");
        },
        |lab| {
            for server in ["server1", "server2"] {
                script(lab, server, "nft delete table arp silent");
            }
        },
    );
}

/// Each move unregisters the interface: `ip` returns only when nothing holds it.
#[test]
fn the_interface_to_the_servers_moves_to_another_namespace_and_back() {
    outlive(
        |lab| {
            let client = lab.namespace("client");
            let away = format!("ip link set eth1 netns {client}");
            script(lab, "director", &away);
        },
        |lab| {
            let director = lab.namespace("director");
            let back = format!("ip link set eth1 netns {director}");
            script(lab, "client", &back);
            script(
                lab,
                "director",
                "ip link set eth1 up\n\
                 ip addr add 10.2.0.1/24 dev eth1\n\
                 ip addr add 10.2.0.100/24 dev eth1",
            );
            // A tc filter is lost. A program at tcx has moved with the interface.
            lab.apply(&fast());
        },
    );
}

#[test]
fn another_program_clears_the_table_and_apply_fills_it_again() {
    outlive(
        |lab| script(lab, "director", "ipvsadm -C"),
        |lab| {
            assert_eq!(lab.exec("director", &["ipvsadm", "-Sn"]), "");
            lab.apply(&fast());
        },
    );
}
