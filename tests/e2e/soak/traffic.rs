// SPDX-License-Identifier: GPL-2.0-only
//! Clients that check each byte that comes back, and the servers that send it back.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::Duration;

use serde::Serialize;
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::Lab;

/// The protocols and ports of the services. Nothing listens on the servers' port `CLOSED`.
pub const SERVICES: [(&str, u16); 4] = [
    ("tcp", ECHO),
    ("udp", ECHO),
    ("sctp", ECHO),
    ("udp", CLOSED),
];

const ECHO: u16 = 9000;
const CLOSED: u16 = 9001;
const VIPS: [&str; 2] = ["10.1.0.100", "fd00:1::100"];

/// How long an answer may take: a director fails, and TCP repeats its segment.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a datagram is waited for, and how often it is repeated.
const REPEAT: Duration = Duration::from_secs(2);
const REPEATS: u32 = 60;

/// The exchanges so far.
#[derive(Default)]
pub struct Traffic {
    clients_end: AtomicBool,
    servers_end: AtomicBool,
    /// Odd while a director fails.
    pub failovers: AtomicU64,
    bytes: AtomicU64,
    exchanges: AtomicU64,
    connections: AtomicU64,
    datagrams: AtomicU64,
    datagrams_repeated: AtomicU64,
    messages: AtomicU64,
    unreachable: AtomicU64,
    failed_when_young: AtomicU64,
    errors: Mutex<Vec<String>>,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Counts {
    pub failovers: u64,
    /// Bytes that came back to the clients.
    pub bytes: u64,
    /// TCP exchanges on connections that stay open.
    pub exchanges: u64,
    /// TCP connections that ended after one exchange.
    pub connections: u64,
    pub datagrams: u64,
    pub datagrams_repeated: u64,
    /// SCTP messages.
    pub messages: u64,
    /// ICMP errors that clients got.
    pub unreachable: u64,
    /// TCP connections that began while a director failed, before they were synchronised.
    pub failed_when_young: u64,
}

impl Counts {
    pub fn assert_all_kinds(&self) {
        let kinds = [
            self.exchanges,
            self.connections,
            self.datagrams,
            self.messages,
            self.unreachable,
        ];
        assert!(kinds.iter().all(|count| *count > 0), "{self:?}");
    }
}

/// Exchanges with a VIP until the end. An error says what did not come back.
type Client = fn(&Traffic, &Lab, &str, Pattern) -> Result<(), String>;

/// Bytes that nobody else sends.
struct Pattern(u64);

impl Pattern {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// At least as many as are needed for a number, at most `most`.
    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let length = 8 + (self.next() as usize) % (most - 7);
        let words = std::iter::repeat_with(|| self.next().to_ne_bytes());
        words.flatten().take(length).collect()
    }
}

impl Traffic {
    /// Starts servers, and clients, which it returns for `end()`.
    pub fn begin<'a>(
        &'a self,
        lab: &'a Lab,
        scope: &'a Scope<'a, '_>,
    ) -> Vec<ScopedJoinHandle<'a, ()>> {
        for host in ["server1", "server2"] {
            for any in [
                IpAddr::from(Ipv4Addr::UNSPECIFIED),
                Ipv6Addr::UNSPECIFIED.into(),
            ] {
                let open = |kind| {
                    let socket = open(lab, host, kind, any);
                    if any.is_ipv6() {
                        socket.set_only_v6(true).unwrap();
                    }
                    socket.bind(&SocketAddr::from((any, ECHO)).into()).unwrap();
                    socket
                };
                for kind in ["tcp", "sctp"] {
                    let listener = open(kind);
                    listener.listen(128).unwrap();
                    scope.spawn(move || self.accept(&listener, scope));
                }
                let datagrams = open("udp");
                scope.spawn(move || self.echo_datagrams(&datagrams));
            }
        }
        let clients: [Client; 6] = [
            Traffic::long_tcp,
            Traffic::long_tcp,
            Traffic::short_tcp,
            Traffic::udp,
            Traffic::sctp,
            Traffic::icmp_error,
        ];
        let mut running = Vec::new();
        for (number, vip) in VIPS.into_iter().enumerate() {
            for (kind, client) in clients.into_iter().enumerate() {
                let pattern = Pattern(0x9e37_79b9_7f4a_7c15 ^ (number * 100 + kind) as u64);
                running.push(scope.spawn(move || {
                    if let Err(why) = client(self, lab, vip, pattern) {
                        self.errors.lock().unwrap().push(format!("{vip}: {why}"));
                    }
                }));
            }
        }
        running
    }

    /// Ends the clients, and then the servers.
    pub fn end(&self, clients: Vec<ScopedJoinHandle<'_, ()>>) {
        self.clients_end.store(true, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
        self.servers_end.store(true, Ordering::SeqCst);
    }

    fn goes_on(&self) -> bool {
        !self.clients_end.load(Ordering::SeqCst)
    }

    fn serves(&self) -> bool {
        !self.servers_end.load(Ordering::SeqCst)
    }

    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            failovers: read(&self.failovers) / 2,
            bytes: read(&self.bytes),
            exchanges: read(&self.exchanges),
            connections: read(&self.connections),
            datagrams: read(&self.datagrams),
            datagrams_repeated: read(&self.datagrams_repeated),
            messages: read(&self.messages),
            unreachable: read(&self.unreachable),
            failed_when_young: read(&self.failed_when_young),
        }
    }

    fn accept<'a>(&'a self, listener: &Socket, scope: &'a Scope<'a, '_>) {
        listener.set_read_timeout(Some(REPEAT)).unwrap();
        while self.serves() {
            if let Ok((socket, _)) = listener.accept() {
                scope.spawn(move || self.echo_stream(&socket));
            }
        }
    }

    /// Until the client closes it.
    fn echo_stream(&self, mut socket: &Socket) {
        let mut data = vec![0; 65536];
        socket.set_read_timeout(Some(REPEAT)).unwrap();
        loop {
            match socket.read(&mut data) {
                Ok(0) => return,
                Ok(length) => {
                    if socket.write_all(&data[..length]).is_err() {
                        return;
                    }
                }
                Err(error) if is_timeout(&error) && self.serves() => (),
                Err(_) => return,
            }
        }
    }

    fn echo_datagrams(&self, socket: &Socket) {
        let mut data = vec![0; 65536];
        socket.set_read_timeout(Some(REPEAT)).unwrap();
        let socket: std::net::UdpSocket = socket.try_clone().unwrap().into();
        while self.serves() {
            if let Ok((length, from)) = socket.recv_from(&mut data) {
                // A route may be missing for a moment.
                let _ = socket.send_to(&data[..length], from);
            }
        }
    }

    /// Sends bytes and reads them back.
    fn exchange(&self, mut socket: &Socket, sent: &[u8]) -> Result<(), String> {
        let mut came = vec![0; sent.len()];
        socket
            .write_all(sent)
            .and_then(|()| socket.read_exact(&mut came))
            .map_err(|error| format!("{} bytes: {error}", sent.len()))?;
        if came != sent {
            return Err(format!("{} bytes came back as others", sent.len()));
        }
        self.bytes.fetch_add(sent.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn long_tcp(&self, lab: &Lab, vip: &str, mut pattern: Pattern) -> Result<(), String> {
        let socket = connected(lab, "tcp", vip, ECHO).map_err(|error| error.to_string())?;
        while self.goes_on() {
            self.exchange(&socket, &pattern.bytes(60_000))
                .map_err(|why| format!("a long TCP connection: {why}"))?;
            self.exchanges.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn short_tcp(&self, lab: &Lab, vip: &str, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let failovers = self.failovers.load(Ordering::SeqCst);
            let result = connected(lab, "tcp", vip, ECHO)
                .map_err(|error| error.to_string())
                .and_then(|socket| self.exchange(&socket, &pattern.bytes(4_000)));
            let is_young = failovers % 2 == 1 || self.failovers.load(Ordering::SeqCst) != failovers;
            match result {
                Ok(()) => self.connections.fetch_add(1, Ordering::Relaxed),
                Err(_) if is_young => self.failed_when_young.fetch_add(1, Ordering::Relaxed),
                Err(why) => return Err(format!("a short TCP connection: {why}")),
            };
        }
        Ok(())
    }

    /// Small datagrams, and some that travel in fragments.
    fn udp(&self, lab: &Lab, vip: &str, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let socket = connected(lab, "udp", vip, ECHO).map_err(|error| error.to_string())?;
            for number in 0..20 {
                let sent = pattern.bytes(if number % 5 == 0 { 4_000 } else { 1_000 });
                self.datagram(&socket, &sent)?;
                self.datagrams.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn datagram(&self, mut socket: &Socket, sent: &[u8]) -> Result<(), String> {
        let mut data = vec![0; 65536];
        socket.set_read_timeout(Some(REPEAT)).unwrap();
        for _ in 0..REPEATS {
            // The host says that a route or a neighbour is missing for a moment.
            let _ = socket.send(sent);
            while let Ok(length) = socket.read(&mut data) {
                let came = &data[..length];
                if came == sent {
                    self.bytes.fetch_add(sent.len() as u64, Ordering::Relaxed);
                    return Ok(());
                }
                // Else it is the second answer to an earlier one.
                if came.get(..8) == sent.get(..8) {
                    return Err(format!("a datagram of {} bytes is another one", sent.len()));
                }
            }
            self.datagrams_repeated.fetch_add(1, Ordering::Relaxed);
        }
        Err(format!("no datagram of {REPEATS} came back"))
    }

    fn sctp(&self, lab: &Lab, vip: &str, mut pattern: Pattern) -> Result<(), String> {
        let socket = connected(lab, "sctp", vip, ECHO).map_err(|error| error.to_string())?;
        while self.goes_on() {
            self.exchange(&socket, &pattern.bytes(3_000))
                .map_err(|why| format!("an SCTP association: {why}"))?;
            self.messages.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A server's ICMP error about a datagram comes to its client.
    fn icmp_error(&self, lab: &Lab, vip: &str, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let socket = connected(lab, "udp", vip, CLOSED).map_err(|error| error.to_string())?;
            socket.set_read_timeout(Some(REPEAT)).unwrap();
            let sent = pattern.bytes(100);
            let refused = (0..REPEATS).any(|_| {
                let result = socket
                    .send(&sent)
                    .and_then(|_| (&socket).read(&mut [0; 100]));
                matches!(result, Err(error) if error.kind() == ErrorKind::ConnectionRefused)
            });
            if !refused {
                return Err(format!("no ICMP error about {REPEATS} datagrams came"));
            }
            self.unreachable.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A socket of that host.
fn open(lab: &Lab, host: &str, kind: &str, family: IpAddr) -> Socket {
    let (socket_type, protocol) = match kind {
        "tcp" => (Type::STREAM, Protocol::TCP),
        "sctp" => (Type::STREAM, Protocol::from(nix::libc::IPPROTO_SCTP)),
        _ => (Type::DGRAM, Protocol::UDP),
    };
    let domain = Domain::for_address((family, 0).into());
    lab.inside(host, || {
        let socket = Socket::new(domain, socket_type, Some(protocol)).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket
    })
}

fn connected(lab: &Lab, kind: &str, vip: &str, port: u16) -> io::Result<Socket> {
    let vip: IpAddr = vip.parse().unwrap();
    let socket = open(lab, "client", kind, vip);
    socket.connect_timeout(&SocketAddr::from((vip, port)).into(), PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}
