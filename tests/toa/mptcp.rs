// SPDX-License-Identifier: GPL-2.0-only
//! Servers that listen for Multipath TCP. The socket that they accept is not the socket
//! of the handshake.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use ipvs_bpf::toa::abi::Outcome;
use nix::libc;

use crate::client::{Client, option};
use crate::group::Receiver;
use crate::network::{Network, PATIENCE, wait};
use crate::server::{KINDS, Kind, TRUST, accepted};
use crate::socket::{accept_unseen, listen_mptcp, protocol};

/// Version 1, with a checksum algorithm and without checksums (RFC 8684, section 3.1).
const CAPABLE: [u8; 4] = [30, 4, 1, 1];
const OWN_KEY: [u8; 8] = *b"clientky";

/// The options of the ACK that ends the handshake: both keys.
fn capable(syn_ack: &[u8]) -> Vec<u8> {
    let at = syn_ack.windows(3).position(|words| words == [30, 12, 1]);
    let at = at.expect("the server agrees to Multipath TCP");
    let servers_key = &syn_ack[at + 4..at + 12];
    [&[30, 20, 1, 1], &OWN_KEY[..], servers_key].concat()
}

/// Connects. The final ACK has the option and those of Multipath TCP.
fn connect(client: &mut Client<'_>, option: &[u8]) {
    client.syn(&CAPABLE, &[]);
    let capable = capable(&client.syn_ack());
    client.ack(&[option, &capable].concat(), &[]);
}

/// `None` if the kernel has no Multipath TCP, or if a program cannot get its network
/// namespace (before 5.15). If there is a listener, the receiver must support it.
fn listen(receiver: &Receiver, kind: Kind) -> Option<TcpListener> {
    let family = match kind.shown(kind.client()) {
        SocketAddr::V4(_) => libc::AF_INET,
        SocketAddr::V6(_) => libc::AF_INET6,
    };
    let listener = listen_mptcp(family, kind.port());
    if listener.is_none() {
        eprintln!("this kernel has no Multipath TCP");
    }
    assert!(listener.is_none() || receiver.loaded.has_mptcp());
    listener
}

fn is_mptcp(stream: &TcpStream) -> bool {
    protocol(stream) == libc::IPPROTO_MPTCP
}

#[test]
fn a_server_of_multipath_tcp_sees_the_client() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let Some(listener) = listen(&receiver, kind) else {
            return;
        };
        connect(&mut kind.through_director(&network), &option(kind.client()));
        let (stream, peer) = accepted(&listener);
        assert!(is_mptcp(&stream));
        assert_eq!(peer, kind.shown(kind.client()), "{kind:?}");
        assert_eq!(stream.peer_addr().unwrap(), peer);
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, 3)]);
}

#[test]
fn a_server_of_multipath_tcp_sees_clients_that_have_only_tcp() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let Some(listener) = listen(&receiver, kind) else {
            return;
        };
        kind.through_director(&network)
            .connect(&option(kind.client()));
        let (stream, peer) = accepted(&listener);
        assert!(!is_mptcp(&stream));
        assert_eq!(peer, kind.shown(kind.client()), "{kind:?}");
    }
}

#[test]
fn an_earlier_connection_with_the_same_ends_names_nobody_in_a_later_one() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for kind in KINDS {
        let Some(listener) = listen(&receiver, kind) else {
            return;
        };
        let mut client = kind.through_director(&network);
        let from = client.from;
        connect(&mut client, &option(kind.client()));
        // The server never asks for the address of its peer.
        wait(&listener, Instant::now() + PATIENCE);
        drop(accept_unseen(&listener));
        client.reset();
        let mut client = kind.through_director(&network);
        client.from = from;
        connect(&mut client, &[]);
        assert_eq!(accepted(&listener).1, kind.shown(from), "{kind:?}");
    }
    assert_eq!(
        receiver.totals(),
        [(Outcome::Told, 3), (Outcome::Absent, 3)]
    );
}

#[test]
fn the_same_ends_in_another_network_namespace_are_another_connection() {
    let receiver = Receiver::new(&TRUST);
    let networks = [Network::new(), Network::new()];
    for kind in KINDS {
        let mut listeners = Vec::new();
        let mut from = None;
        for (network, told) in networks.iter().zip([true, false]) {
            network.enter();
            let Some(listener) = listen(&receiver, kind) else {
                return;
            };
            let mut client = kind.through_director(network);
            client.from = *from.get_or_insert(client.from);
            let option = if told { option(kind.client()) } else { vec![] };
            connect(&mut client, &option);
            listeners.push(listener);
        }
        assert_eq!(accepted(&listeners[1]).1, kind.shown(from.unwrap()));
        assert_eq!(accepted(&listeners[0]).1, kind.shown(kind.client()));
    }
}
