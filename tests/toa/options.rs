// SPDX-License-Identifier: GPL-2.0-only
//! Other contents of the TCP header: options before and after, wrong lengths, duplicates.

use std::net::TcpListener;

use ipvs_bpf::toa::abi::Outcome;

use crate::client::option;
use crate::group::Receiver;
use crate::network::Network;
use crate::server::{IPV4, IPV6, KINDS, Kind, TRUST, accepted};

const NOP: u8 = 1;
const END: u8 = 0;

struct Server<'n> {
    kind: Kind,
    network: &'n Network,
    listener: TcpListener,
}

impl<'n> Server<'n> {
    fn new(network: &'n Network, kind: Kind) -> Self {
        let listener = kind.listen();
        Server {
            kind,
            network,
            listener,
        }
    }

    /// Checks whether the server sees the client or the local IP of a connection with
    /// these options.
    #[track_caller]
    fn assert_sees(&self, options: &[u8], told: bool) {
        let kind = self.kind;
        let mut client = kind.through_director(self.network);
        client.connect(options);
        // Recent kernels drop a segment whose options exceed its header.
        client.ack(&[], &[]);
        let seen = if told { kind.client() } else { client.from };
        let peer = accepted(&self.listener).1;
        assert_eq!(peer, kind.shown(seen), "{kind:?} {options:?}");
    }
}

#[test]
fn other_options_may_come_before_and_after() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let timestamps = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
    let mut count = 0;
    for kind in KINDS {
        let server = Server::new(&network, kind);
        let own = option(kind.client());
        let room = 40 - own.len();
        let others = [
            (vec![NOP, NOP], timestamps.to_vec()),
            (timestamps.to_vec(), vec![NOP, NOP]),
            // At every alignment, and at the very end.
            (vec![NOP], vec![]),
            (vec![NOP; 3], vec![]),
            (vec![NOP; room], vec![]),
            // An unknown kind with the maximum length, and with the minimum length.
            (
                [vec![77, room as u8], vec![0xfe; room - 2]].concat(),
                vec![],
            ),
            (vec![77, 2, 78, 2], vec![77, 2]),
            (vec![], vec![END, 254, 8, 1]),
        ];
        for (before, after) in others {
            server.assert_sees(&[before, own.clone(), after].concat(), true);
            count += 1;
        }
    }
    assert_eq!(receiver.totals(), [(Outcome::Told, count)]);
}

#[test]
fn the_first_of_two_counts() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let server = Server::new(&network, IPV4);
    let other = "203.0.113.9:9".parse().unwrap();
    let own = option(IPV4.client());
    server.assert_sees(&[own.clone(), option(other)].concat(), true);
    server.assert_sees(&[own.clone(), vec![254, 3, 9]].concat(), true);
    assert_eq!(receiver.totals(), [(Outcome::Told, 2)]);
    // A forged option does not replace one that could not be read.
    server.assert_sees(&[vec![254, 4, 0, 0], own].concat(), false);
    assert_eq!(
        receiver.totals(),
        [(Outcome::Told, 2), (Outcome::Malformed, 1)]
    );
}

#[test]
fn an_option_of_another_length_or_family_names_nobody() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let mut count = 0;
    for kind in KINDS {
        let server = Server::new(&network, kind);
        let right = option(kind.client()).len();
        for length in 2..=40 {
            if length == right {
                continue;
            }
            let mut options = vec![1; length];
            options[0] = 254;
            options[1] = length as u8;
            server.assert_sees(&options, false);
            count += 1;
        }
    }
    assert_eq!(receiver.totals(), [(Outcome::Malformed, count)]);
}

#[test]
fn an_option_that_names_no_address_or_no_port_names_nobody() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    for (kind, clients) in [
        (IPV4, ["0.0.0.0:1", "198.51.100.7:0"]),
        (IPV6, ["[::]:1", "[2001:db8::7]:0"]),
    ] {
        let server = Server::new(&network, kind);
        for nobody in clients {
            server.assert_sees(&option(nobody.parse().unwrap()), false);
        }
    }
    assert_eq!(receiver.totals(), [(Outcome::Malformed, 4)]);
}

#[test]
fn nothing_beyond_the_end_of_the_list_is_an_option() {
    let receiver = Receiver::new(&TRUST);
    let network = Network::new();
    let server = Server::new(&network, IPV4);
    let own = option(IPV4.client());
    for options in [
        // After the end of the list.
        [vec![END], own.clone()].concat(),
        // After an option whose length exceeds the list, or is too short.
        [vec![77, 41], own.clone()].concat(),
        [vec![77, 255], own.clone()].concat(),
        [vec![77, 0], own.clone()].concat(),
        [vec![77, 1], own.clone()].concat(),
        // Inside another option.
        [vec![77, 10], own.clone()].concat(),
        // Longer than the header.
        own[..4].to_vec(),
        vec![254, 255, 1, 1],
        vec![NOP, NOP, 254, 8],
        vec![NOP, NOP, NOP, 254],
        // Shorter than its own kind and length bytes.
        vec![254, 0, 1, 1],
        vec![254, 1, 1, 1],
        // The other experimental kind.
        [vec![253], own[1..].to_vec()].concat(),
    ] {
        server.assert_sees(&options, false);
    }
    assert_eq!(receiver.totals(), [(Outcome::Absent, 13)]);
}
