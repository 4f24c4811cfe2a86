// SPDX-License-Identifier: GPL-2.0-only
//! The server: a listening socket, and whom it sees.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use crate::client::Client;
use crate::network::{Network, PATIENCE, SERVER4, SERVER6, wait};

/// How a server listens, and who reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What the socket is bound to. Each kind has a port of its own.
    bind: &'static str,
    /// Where clients reach it.
    reach: &'static str,
    /// The director's address.
    pub local_ip: &'static str,
    /// The client behind it.
    pub client: &'static str,
    /// IPv4, at a socket of IPv6.
    mapped: bool,
}

pub const IPV4: Kind = Kind {
    bind: "0.0.0.0:8084",
    reach: SERVER4,
    local_ip: "10.2.0.100",
    client: "198.51.100.7:40001",
    mapped: false,
};
pub const IPV6: Kind = Kind {
    bind: "[fd09::1]:8086",
    reach: SERVER6,
    local_ip: "fd00:2::100",
    client: "[2001:db8::7]:40002",
    mapped: false,
};
/// IPv4 at a socket that listens for both.
pub const DUAL: Kind = Kind {
    bind: "[::]:8088",
    mapped: true,
    ..IPV4
};
pub const KINDS: [Kind; 3] = [IPV4, IPV6, DUAL];

/// What the tests trust.
pub const TRUST: [(&str, u8); 2] = [("10.2.0.0", 24), ("fd00:2::100", 128)];

impl Kind {
    pub fn listen(self) -> TcpListener {
        TcpListener::bind(self.bind).unwrap()
    }

    pub fn port(self) -> u16 {
        let bind: SocketAddr = self.bind.parse().unwrap();
        bind.port()
    }

    pub fn client(self) -> SocketAddr {
        self.client.parse().unwrap()
    }

    /// A client whose segments come from the local IP.
    pub fn through_director(self, network: &Network) -> Client<'_> {
        self.directly(network, self.local_ip)
    }

    pub fn directly<'n>(self, network: &'n Network, address: &str) -> Client<'n> {
        let to = SocketAddr::new(self.reach.parse().unwrap(), self.port());
        Client::new(network, address.parse().unwrap(), to)
    }

    /// An address as this server's socket shows it.
    pub fn shown(self, address: SocketAddr) -> SocketAddr {
        match (self.mapped, address.ip()) {
            (true, IpAddr::V4(v4)) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
            _ => address,
        }
    }
}

/// The next connection, and whom accept(2) named.
pub fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    wait(listener, Instant::now() + PATIENCE);
    let (stream, peer) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (stream, peer)
}

/// The next connection, and its peer, of which accept(2) and getpeername(2) say the same.
#[track_caller]
pub fn accepted(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let (stream, peer) = accept(listener);
    assert_eq!(stream.peer_addr().unwrap(), peer);
    (stream, peer)
}

pub fn read(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}
