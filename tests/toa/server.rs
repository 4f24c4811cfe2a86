// SPDX-License-Identifier: GPL-2.0-only
//! The server: a listening socket, and the peer address that it sees.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Instant;

use crate::client::Client;
use crate::network::{Network, PATIENCE, SERVER4, SERVER6, wait};

/// The address family of a server's socket, and the addresses of its clients.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The address of the socket. Each kind has its own port.
    bind: &'static str,
    /// The address that clients connect to.
    reach: &'static str,
    /// The director's address.
    pub local_ip: &'static str,
    /// The client behind it.
    pub client: &'static str,
    /// The client uses IPv4, and the socket is IPv6.
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
/// IPv4 with a socket that listens for both families.
pub const DUAL: Kind = Kind {
    bind: "[::]:8088",
    mapped: true,
    ..IPV4
};
pub const KINDS: [Kind; 3] = [IPV4, IPV6, DUAL];

/// The networks that the tests trust.
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

    /// An address in the form that this server's socket shows.
    pub fn shown(self, address: SocketAddr) -> SocketAddr {
        match (self.mapped, address.ip()) {
            (true, IpAddr::V4(v4)) => SocketAddr::new(v4.to_ipv6_mapped().into(), address.port()),
            _ => address,
        }
    }
}

/// The next connection, and the address from accept(2).
pub fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    wait(listener, Instant::now() + PATIENCE);
    let (stream, peer) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    (stream, peer)
}

/// The next connection and its peer. accept(2) and getpeername(2) must agree.
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
