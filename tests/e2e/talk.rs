// SPDX-License-Identifier: GPL-2.0-only
//! A client whose flow stays open between its requests.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Lab;

/// Sends requests to `lab/net/server.py` or `lab/net/sctp.py` over one connection, one
/// association or from one UDP socket.
pub struct Talk {
    socket: Socket,
    http: bool,
}

/// The answer of a server: its name, and the address and port of its peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub server: String,
    pub peer: String,
    pub port: u16,
}

pub fn answer(text: &str) -> Answer {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [server, peer, port, ..] = words[..] else {
        panic!("{text}");
    };
    Answer {
        server: server.to_owned(),
        peer: peer.to_owned(),
        port: port.parse().expect(text),
    }
}

const PATIENCE: Duration = Duration::from_secs(120);

/// A program that another test starts shares all sockets until its `execve(2)`: a socket
/// that was closed holds its port as long.
fn connect(socket: &Socket, to: SocketAddr, patience: Duration) -> io::Result<()> {
    let start = Instant::now();
    loop {
        match socket.connect_timeout(&to.into(), patience) {
            Err(error)
                if error.kind() == io::ErrorKind::AddrNotAvailable
                    && start.elapsed() < PATIENCE =>
            {
                sleep(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

impl Talk {
    /// `kind` is `tcp`, `udp` or `sctp`. An empty source means any address, and port 0 any port.
    pub fn from(lab: &Lab, host: &str, kind: &str, source: (&str, u16), to: (&str, u16)) -> Self {
        Talk::begin(lab, host, kind, source, to, PATIENCE).unwrap()
    }

    /// A flow from the client, or the error within this many seconds.
    pub fn try_from(
        lab: &Lab,
        kind: &str,
        source: (&str, u16),
        to: (&str, u16),
        seconds: u32,
    ) -> Result<Self, String> {
        let patience = Duration::from_secs(seconds.into());
        Talk::begin(lab, "client", kind, source, to, patience).map_err(|error| error.to_string())
    }

    fn begin(
        lab: &Lab,
        host: &str,
        kind: &str,
        source: (&str, u16),
        to: (&str, u16),
        patience: Duration,
    ) -> io::Result<Self> {
        let to = SocketAddr::from((to.0.parse::<IpAddr>().unwrap(), to.1));
        let address = match (source.0, to) {
            ("", SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
            ("", SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
            (address, _) => address.parse::<IpAddr>().unwrap(),
        };
        let (socket_type, protocol) = match kind {
            "tcp" => (Type::STREAM, Protocol::TCP),
            "udp" => (Type::DGRAM, Protocol::UDP),
            "sctp" => (Type::STREAM, Protocol::from(nix::libc::IPPROTO_SCTP)),
            other => panic!("{other}"),
        };
        // A socket stays in the namespace in which it was made.
        let socket = lab.inside(host, || {
            let socket = Socket::new(Domain::for_address(to), socket_type, Some(protocol)).unwrap();
            // With it, UDP sockets of any port may get the same one.
            socket.set_reuse_address(source.1 != 0).unwrap();
            let source = SocketAddr::from((address, source.1));
            socket.bind(&source.into()).unwrap();
            connect(&socket, to, patience)?;
            Ok::<_, io::Error>(socket)
        })?;
        let http = protocol == Protocol::TCP;
        Ok(Talk { socket, http })
    }

    /// A flow from the client with any port.
    pub fn new(lab: &Lab, kind: &str, to: (&str, u16)) -> Self {
        Talk::from(lab, "client", kind, ("", 0), to)
    }

    /// Ends a TCP connection with an RST.
    pub fn reset(self) {
        self.socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The answer, or the error within this many seconds.
    pub fn try_ask(&mut self, seconds: u32) -> Result<Answer, String> {
        self.exchange(Duration::from_secs(seconds.into()))
            .map(|text| answer(&text))
            .map_err(|error| error.to_string())
    }

    pub fn ask(&mut self) -> Answer {
        self.exchange(PATIENCE).map(|text| answer(&text)).unwrap()
    }

    fn exchange(&self, patience: Duration) -> io::Result<String> {
        self.socket.set_read_timeout(Some(patience))?;
        self.socket.set_write_timeout(Some(patience))?;
        let text = if self.http {
            self.request()?
        } else {
            self.socket.send(b"hello")?;
            let mut data = vec![0; 65535];
            let length = (&self.socket).read(&mut data)?;
            data.truncate(length);
            data
        };
        Ok(String::from_utf8(text).unwrap())
    }

    /// The body of the answer to an HTTP request, which is one line.
    fn request(&self) -> io::Result<Vec<u8>> {
        (&self.socket).write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let mut text = Vec::new();
        while !text.ends_with(b"\n") || text.ends_with(b"\r\n") {
            let mut data = [0; 4096];
            match (&self.socket).read(&mut data)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => text.extend_from_slice(&data[..length]),
            }
        }
        let head = text.windows(4).position(|four| four == b"\r\n\r\n");
        Ok(text.split_off(head.expect("an answer of HTTP") + 4))
    }
}
