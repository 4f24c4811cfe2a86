// SPDX-License-Identifier: GPL-2.0-only
//! Which servers get a client's address, and which senders are trusted.

use ipvs_bpf::toa::abi::Outcome;

use crate::client::option;
use crate::group::{Receiver, outcomes};
use crate::network::Network;
use crate::server::{IPV4, IPV6, KINDS, TRUST, accept, accepted};

#[test]
fn a_server_sees_the_client_that_the_option_names() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.connect(&option(kind.client()));
        let (stream, peer) = accepted(&listener);
        assert_eq!(peer, kind.shown(kind.client()), "{kind:?}");
        assert_eq!(stream.local_addr().unwrap(), kind.shown(client.to));
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
    let local_ips = receiver.loaded.local_ips().unwrap();
    let told = |address: &str| outcomes(&local_ips[&address.parse().unwrap()]);
    assert_eq!(told(IPV4.local_ip), [(Outcome::Told, 2)]);
    assert_eq!(told(IPV6.local_ip), [(Outcome::Told, 1)]);
    assert_eq!(local_ips.len(), 2);
}

#[test]
fn a_connection_without_the_option_comes_from_where_it_comes() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.connect(&[]);
        assert_eq!(accepted(&listener).1, kind.shown(client.from), "{kind:?}");
    }
    assert_eq!(receiver.totals(), [(Outcome::Absent, 3)]);
}

#[test]
fn a_client_that_forges_the_option_is_not_believed() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for (kind, forger) in KINDS
        .into_iter()
        .zip(["10.2.1.1", "fd00:2::101", "10.2.1.1"])
    {
        let listener = kind.listen();
        let mut client = kind.directly(&network, forger);
        client.connect(&option(kind.client()));
        assert_eq!(accepted(&listener).1, kind.shown(client.from), "{kind:?}");
    }
    assert_eq!(receiver.totals(), [(Outcome::Refused, 3)]);
    assert!(receiver.loaded.local_ips().unwrap().is_empty());
    let untrusted = receiver.loaded.untrusted_addresses().unwrap();
    let refused = |address: &str| outcomes(&untrusted[&address.parse().unwrap()]);
    assert_eq!(refused("10.2.1.1"), [(Outcome::Refused, 2)]);
    assert_eq!(refused("fd00:2::101"), [(Outcome::Refused, 1)]);
}

#[test]
fn a_direct_client_without_the_option_costs_no_entry() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let listener = IPV4.listen();
    let mut client = IPV4.directly(&network, "192.0.2.1");
    client.connect(&[]);
    assert_eq!(accepted(&listener).1, client.from);
    assert_eq!(receiver.totals(), []);
    assert!(receiver.loaded.untrusted_addresses().unwrap().is_empty());
}

#[test]
fn trusted_addresses_change_while_it_runs_for_new_connections() {
    let mut receiver = Receiver::new(&[]);
    let network = Network::new();
    let listener = IPV4.listen();
    let sees = |trusted: bool| {
        let mut client = IPV4.through_director(&network);
        client.connect(&option(IPV4.client()));
        let (stream, peer) = accept(&listener);
        assert_eq!(peer, if trusted { IPV4.client() } else { client.from });
        stream
    };
    sees(false);
    for (network, trusted) in [
        (("10.2.0.100", 32), true),
        (("10.2.0.101", 32), false),
        (("10.2.0.96", 29), true),
        (("10.2.0.104", 29), false),
        (("0.0.0.0", 0), true),
        // IPv4 addresses are not in any IPv6 network.
        (("::", 1), false),
    ] {
        receiver.trust(&[network]);
        sees(trusted);
    }
    receiver.trust(&TRUST);
    let stream = sees(true);
    receiver.trust(&[]);
    assert_eq!(stream.peer_addr().unwrap(), IPV4.client());
}

#[test]
fn a_larger_network_does_not_hide_a_smaller_one() {
    let receiver = Receiver::new(&[("10.2.0.0", 16), ("10.2.0.100", 32), ("fd00::", 8)]);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        kind.through_director(&network)
            .connect(&option(kind.client()));
        assert_eq!(accepted(&listener).1, kind.shown(kind.client()));
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}
