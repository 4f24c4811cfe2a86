// SPDX-License-Identifier: GPL-2.0-only
//! Clients that check each byte that comes back, and the servers that send it back.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::libc;
use socket2::Socket;

use super::counts::{Counted, Counts, Exchanges};
use super::sockets::{
    Pattern, REPEAT, REPEATS, connected, exchange, icmp_error, is_timeout, never_fragments, open,
};
use crate::lab::Lab;

/// The protocols and ports of the services. Nothing listens on the servers' port `CLOSED`.
pub const SERVICES: [(&str, u16); 4] = [
    ("tcp", ECHO),
    ("udp", ECHO),
    ("sctp", ECHO),
    ("udp", CLOSED),
];
/// The UDP service of the far server, whose path has a smaller MTU.
pub const FAR: u16 = 9002;
/// That MTU.
pub const NARROW: usize = 1280;

const ECHO: u16 = 9000;
const CLOSED: u16 = 9001;
/// In the order of the families.
pub const VIPS: [&str; 2] = ["10.1.0.100", "fd00:1::100"];
/// The hosts with echo servers, and their UDP ports.
const SERVERS: [(&str, u16); 3] = [("server1", ECHO), ("server2", ECHO), ("farserver", FAR)];

/// A short connection that a director took with it waits for an answer that never comes: its
/// server repeats that, and no director knows the connection.
const LOST: Duration = Duration::from_secs(10);

/// Clients, servers, and what they have exchanged so far.
#[derive(Default)]
pub struct Traffic {
    clients_end: AtomicBool,
    servers_end: AtomicBool,
    /// Odd while a director fails.
    pub failovers: AtomicU64,
    counted: Counted,
    errors: Mutex<Vec<String>>,
}

/// Exchanges with the VIP of a family until the end. An error says what did not come back.
type Client = fn(&Traffic, &Lab, usize, Pattern) -> Result<(), String>;

/// Ends the traffic even if its owner panics, since its threads are waited for.
pub struct Ending<'a>(pub &'a Traffic);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.clients_end.store(true, Ordering::SeqCst);
        self.0.servers_end.store(true, Ordering::SeqCst);
    }
}

impl Traffic {
    /// Starts servers, and clients, which it returns for `end()`.
    pub fn begin<'a>(
        &'a self,
        lab: &'a Lab,
        scope: &'a Scope<'a, '_>,
    ) -> Vec<ScopedJoinHandle<'a, ()>> {
        for (host, datagrams) in SERVERS {
            for any in [
                IpAddr::from(Ipv4Addr::UNSPECIFIED),
                Ipv6Addr::UNSPECIFIED.into(),
            ] {
                let open = |kind, port| {
                    let socket = open(lab, host, kind, any);
                    if any.is_ipv6() {
                        socket.set_only_v6(true).unwrap();
                    }
                    socket.bind(&SocketAddr::from((any, port)).into()).unwrap();
                    socket
                };
                for kind in ["tcp", "sctp"] {
                    let listener = open(kind, ECHO);
                    listener.listen(128).unwrap();
                    scope.spawn(move || self.accept(&listener, scope));
                }
                let datagrams = open("udp", datagrams);
                scope.spawn(move || self.echo_datagrams(&datagrams));
            }
        }
        let clients: [Client; 7] = [
            Traffic::long_tcp,
            Traffic::long_tcp,
            Traffic::short_tcp,
            Traffic::udp,
            Traffic::sctp,
            Traffic::unreachable,
            Traffic::too_big,
        ];
        let mut running = Vec::new();
        for (family, vip) in VIPS.into_iter().enumerate() {
            for (kind, client) in clients.into_iter().enumerate() {
                let pattern = Pattern(0x9e37_79b9_7f4a_7c15 ^ (family * 100 + kind) as u64);
                running.push(scope.spawn(move || {
                    if let Err(why) = client(self, lab, family, pattern) {
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

    pub fn goes_on(&self) -> bool {
        !self.clients_end.load(Ordering::SeqCst)
    }

    fn serves(&self) -> bool {
        !self.servers_end.load(Ordering::SeqCst)
    }

    pub fn errors(&self) -> Vec<String> {
        self.errors.lock().unwrap().clone()
    }

    pub fn counts(&self) -> Counts {
        Counts {
            failovers: self.failovers.load(Ordering::SeqCst) / 2,
            ..self.counted.now()
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

    fn long_tcp(&self, lab: &Lab, family: usize, mut pattern: Pattern) -> Result<(), String> {
        let socket = connected(lab, "tcp", family, ECHO).map_err(|error| error.to_string())?;
        while self.goes_on() {
            let sent = pattern.bytes(60_000);
            exchange(&socket, &sent, || false)
                .map_err(|why| format!("a long TCP connection: {why}"))?;
            let more = Exchanges {
                bytes: sent.len() as u64,
                long_tcp: 1,
                ..Exchanges::default()
            };
            self.counted.add(family, more);
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn short_tcp(&self, lab: &Lab, family: usize, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let begin = Instant::now();
            let failovers = self.failovers.load(Ordering::SeqCst);
            let is_young =
                || failovers % 2 == 1 || self.failovers.load(Ordering::SeqCst) != failovers;
            let is_lost = || is_young() && begin.elapsed() >= LOST;
            let sent = pattern.bytes(4_000);
            let result = connected(lab, "tcp", family, ECHO)
                .map_err(|error| error.to_string())
                .and_then(|socket| exchange(&socket, &sent, is_lost));
            match result {
                Ok(()) => {
                    let more = Exchanges {
                        bytes: sent.len() as u64,
                        short_tcp: 1,
                        ..Exchanges::default()
                    };
                    self.counted.add(family, more);
                }
                Err(_) if is_young() => self.counted.failed_when_young(),
                Err(why) => return Err(format!("a short TCP connection: {why}")),
            }
        }
        Ok(())
    }

    /// Small datagrams, and some that travel in fragments.
    fn udp(&self, lab: &Lab, family: usize, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let socket = connected(lab, "udp", family, ECHO).map_err(|error| error.to_string())?;
            for number in 0..20 {
                let sent = pattern.bytes(if number % 5 == 0 { 4_000 } else { 1_000 });
                self.datagram(&socket, &sent)?;
                let more = Exchanges {
                    bytes: sent.len() as u64,
                    datagrams: 1,
                    ..Exchanges::default()
                };
                self.counted.add(family, more);
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
                    return Ok(());
                }
                // Else it is the second answer to an earlier one.
                if came.get(..8) == sent.get(..8) {
                    return Err(format!("a datagram of {} bytes is another one", sent.len()));
                }
            }
            self.counted.datagram_repeated();
        }
        Err(format!("no datagram of {REPEATS} came back"))
    }

    fn sctp(&self, lab: &Lab, family: usize, mut pattern: Pattern) -> Result<(), String> {
        let socket = connected(lab, "sctp", family, ECHO).map_err(|error| error.to_string())?;
        while self.goes_on() {
            let sent = pattern.bytes(3_000);
            exchange(&socket, &sent, || false)
                .map_err(|why| format!("an SCTP association: {why}"))?;
            let more = Exchanges {
                bytes: sent.len() as u64,
                messages: 1,
                ..Exchanges::default()
            };
            self.counted.add(family, more);
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// A server's ICMP error about a datagram comes to its client.
    fn unreachable(&self, lab: &Lab, family: usize, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let socket =
                connected(lab, "udp", family, CLOSED).map_err(|error| error.to_string())?;
            icmp_error(&socket, &pattern.bytes(100), libc::ECONNREFUSED)?;
            let more = Exchanges {
                unreachable: 1,
                ..Exchanges::default()
            };
            self.counted.add(family, more);
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }

    /// A router behind the directors tells the client that a datagram is larger than the MTU
    /// of its next link. A smaller one of the same flow comes back.
    fn too_big(&self, lab: &Lab, family: usize, mut pattern: Pattern) -> Result<(), String> {
        while self.goes_on() {
            let socket = connected(lab, "udp", family, FAR).map_err(|error| error.to_string())?;
            never_fragments(&socket, family).map_err(|error| error.to_string())?;
            icmp_error(&socket, &[0; NARROW], libc::EMSGSIZE)?;
            let sent = pattern.bytes(1_000);
            self.datagram(&socket, &sent)?;
            let more = Exchanges {
                bytes: sent.len() as u64,
                too_big: 1,
                ..Exchanges::default()
            };
            self.counted.add(family, more);
            sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}
