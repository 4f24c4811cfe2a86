// SPDX-License-Identifier: GPL-2.0-only
//! Which segment ends a handshake. The option is read from it.

use ipvs_bpf::toa::abi::Outcome;
use nix::libc;

use crate::client::option;
use crate::group::Receiver;
use crate::network::{Network, sysctl};
use crate::server::{KINDS, TRUST, accepted, read};
use crate::socket::set_option;

#[test]
fn the_first_data_ends_a_handshake_whose_ack_was_lost() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.syn(&[], &[]);
        client.syn_ack();
        client.ack(&option(kind.client()), b"hello");
        let (mut stream, peer) = accepted(&listener);
        assert_eq!(peer, kind.shown(kind.client()));
        assert_eq!(read(&mut stream, 5), b"hello");
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}

#[test]
fn a_server_that_waits_for_data_sees_what_the_data_says() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        set_option(&listener, libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, 30);
        let mut client = kind.through_director(&network);
        // The server drops this segment, whatever it contains.
        client.connect(&option("192.0.2.200:1".parse().unwrap()));
        client.ack(&option(kind.client()), b"hello");
        let (mut stream, peer) = accepted(&listener);
        assert_eq!(peer, kind.shown(kind.client()));
        assert_eq!(read(&mut stream, 5), b"hello");
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}

#[test]
fn later_segments_change_nothing() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.connect(&option(kind.client()));
        let (mut stream, _) = accepted(&listener);
        let forged = option(client.from);
        client.ack(&forged, b"hello");
        assert_eq!(read(&mut stream, 5), b"hello");
        assert_eq!(stream.peer_addr().unwrap(), kind.shown(kind.client()));

        // Later segments cannot add what the handshake did not have.
        let mut client = kind.through_director(&network);
        client.connect(&[]);
        let (mut stream, peer) = accepted(&listener);
        client.ack(&option(kind.client()), b"hello");
        assert_eq!(read(&mut stream, 5), b"hello");
        assert_eq!(stream.peer_addr().unwrap(), peer);
    }
    assert_eq!(
        receiver.totals(),
        [(Outcome::Told, 3), (Outcome::Absent, 3)]
    );
}

#[test]
fn a_syn_says_nothing_where_it_does_not_end_the_handshake() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.syn(&option(kind.client()), &[]);
        client.syn_ack();
        client.ack(&[], &[]);
        assert_eq!(accepted(&listener).1, kind.shown(client.from));
    }
    assert_eq!(receiver.totals(), [(Outcome::Absent, 3)]);
}

#[test]
fn a_server_that_answers_with_cookies_sees_the_client() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    // Always use cookies.
    sysctl("ipv4/tcp_syncookies", "2");
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.connect(&option(kind.client()));
        assert_eq!(accepted(&listener).1, kind.shown(kind.client()));
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}

#[test]
fn a_server_with_fast_open_sees_the_client_of_the_syn() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    // For servers, on every listening socket, without a cookie.
    sysctl("ipv4/tcp_fastopen", "1538");
    for kind in KINDS {
        let listener = kind.listen();
        let mut client = kind.through_director(&network);
        client.syn(&option(kind.client()), b"hello");
        client.syn_ack();
        let (mut stream, peer) = accepted(&listener);
        assert_eq!(peer, kind.shown(kind.client()));
        assert_eq!(read(&mut stream, 5), b"hello");
        client.ack(&[], &[]);
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}
