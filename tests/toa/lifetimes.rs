// SPDX-License-Identifier: GPL-2.0-only
//! Programs that are attached and detached while servers run, and sockets that are used
//! for more than one connection.

use ipvs_bpf::toa::abi::Outcome;

use crate::client::{Client, option};
use crate::group::Receiver;
use crate::network::{Network, wait_until_connected};
use crate::server::{IPV4, KINDS, TRUST, accept, accepted};
use crate::socket::{begin_connect, disconnect};

#[test]
fn a_server_that_listened_before_the_programs_came_sees_its_clients() {
    let mut receiver = Receiver::new(&TRUST);
    receiver.detach();
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.connect(&option(kind.client()));
        assert_eq!(accepted(&listener).1, kind.shown(client.from));
        receiver.attach();
        kind.through_director(&network)
            .connect(&option(kind.client()));
        assert_eq!(accepted(&listener).1, kind.shown(kind.client()));
        receiver.detach();
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}

#[test]
fn without_the_programs_a_connection_shows_the_local_ip_again() {
    let mut receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.connect(&option(kind.client()));
        let (stream, peer) = accepted(&listener);
        assert_eq!(peer, kind.shown(kind.client()));
        receiver.detach();
        assert_eq!(stream.peer_addr().unwrap(), kind.shown(client.from));
        // The address that was stored with the socket is still there.
        receiver.attach();
        assert_eq!(stream.peer_addr().unwrap(), kind.shown(kind.client()));
    }
}

#[test]
fn a_connection_that_ended_before_it_was_accepted_still_names_its_client() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let listener = IPV4.listen();
    let mut client = IPV4.through_director(&network);
    client.connect(&option(IPV4.client()));
    client.reset();
    assert_eq!(accept(&listener).1, IPV4.client());
    assert_eq!(receiver.totals(), [(Outcome::Told, 1)]);
}

#[test]
fn a_socket_that_a_server_connects_elsewhere_has_another_peer() {
    let _receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let listener = IPV4.listen();
    let mut client = IPV4.through_director(&network);
    client.connect(&option(IPV4.client()));
    let (stream, _) = accepted(&listener);
    disconnect(&stream);
    stream.set_nonblocking(true).unwrap();
    begin_connect(&stream, [192, 0, 2, 77], 99);
    let other = "192.0.2.77:99".parse().unwrap();
    Client::answer_syn(&network, other);
    wait_until_connected(&stream);
    assert_eq!(stream.peer_addr().unwrap(), other);
}
