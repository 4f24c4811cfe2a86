// SPDX-License-Identifier: GPL-2.0-only
//! The program at real interfaces. Nothing else forwards between client and server, so
//! arriving packets have taken the fast path.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use ipvs_bpf::datapath::abi::Lease;
use nix::net::if_::if_nametoindex;

use crate::bench::{Bench, Hook};
use crate::capture::{Capture, Captured, PATIENCE};
use crate::family::{FAMILIES, Family};
use crate::flow::{TCP, UDP};
use crate::lease::{forwarded, macs};
use crate::network::{DIRECTORS_MAC, HOSTS_MAC, INTERFACE, Network, SIDES};
use crate::repaired;

/// The place where a frame was seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// At the host on that side.
    Arrived(usize, Vec<u8>),
    /// At the director, after the program.
    Left(Vec<u8>),
}

/// The network with the program and the leases of a session.
pub struct Wire {
    pub family: Family,
    protocol: u8,
    pub network: Network,
    pub bench: Bench,
    /// The frames that the client and the server receive.
    pub at_hosts: [Capture; 2],
    /// The frames that the program has left to the director on each side.
    pub left: [Capture; 2],
}

impl Wire {
    pub fn new(family: Family, protocol: u8) -> Self {
        let network = Network::new();
        let capture = |interface| Capture::new(interface, family.ether_type());
        let at_hosts = network.hosts().map(|host| {
            host.enter();
            capture(INTERFACE)
        });
        network.director.enter();
        let left = SIDES.map(capture);
        let mut bench = Bench::empty(Hook::Tc);
        for side in SIDES {
            bench.attach(side);
        }
        let wire = Self {
            family,
            protocol,
            network,
            bench,
            at_hosts,
            left,
        };
        wire.with_leases(|lease| lease)
    }

    /// Replaces the lease of both directions.
    pub fn with_leases(mut self, change: impl Fn(Lease) -> Lease) -> Self {
        self.network.director.enter();
        let [client, server] = SIDES.map(|side| if_nametoindex(side).unwrap());
        let leases = [(client, server), (server, client)].map(|(iif, ifindex)| {
            change(Lease {
                iif,
                ifindex,
                macs: macs(HOSTS_MAC, DIRECTORS_MAC),
                ..crate::lease::lease()
            })
        });
        self.family
            .set_leases(&mut self.bench, self.protocol, leases);
        self
    }

    /// The frames that the client and the server have received, once they are as many as
    /// the leases counted. Checks them.
    pub fn received(&self) -> [Vec<Captured>; 2] {
        [1, 0].map(|direction| {
            let [_, ends] = self.family.directions()[direction];
            let frames = self.collect(1 - direction, |frames| {
                (frames.len() as u64, bytes(frames, 14) as u64) == self.counted()[direction]
            });
            for captured in &frames {
                assert_eq!(self.family.ends(&captured.frame), ends);
                self.family.assert_checksums(&captured.frame);
            }
            frames
        })
    }

    /// The frames that the host on that side has received, once `is_all` is true for
    /// them.
    pub fn collect(&self, side: usize, is_all: impl Fn(&[Captured]) -> bool) -> Vec<Captured> {
        let end = Instant::now() + PATIENCE;
        let mut frames: Vec<Captured> = Vec::new();
        loop {
            frames.extend(self.at_hosts[side].frames());
            frames.retain(|captured| self.family.protocol(&captured.frame) == self.protocol);
            if is_all(&frames) {
                assert_eq!(self.bench.counted(), []);
                return frames;
            }
            assert!(
                Instant::now() < end,
                "{} frames of {} bytes arrived, {:?} were counted",
                frames.len(),
                bytes(&frames, 14),
                self.counted()
            );
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Sends a frame to the director from that side.
    pub fn send(&self, side: usize, frame: &[u8]) {
        self.at_hosts[side].send(frame);
    }

    /// The fate of the one frame that was sent.
    pub fn fate(&self) -> Fate {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            for side in [0, 1] {
                if let Some(frame) = self.next(&self.at_hosts[side]) {
                    return Fate::Arrived(side, frame);
                }
                if let Some(frame) = self.next(&self.left[side]) {
                    return Fate::Left(frame);
                }
            }
            assert_eq!(self.bench.counted(), []);
            thread::yield_now();
        }
        panic!("the frame is gone");
    }

    fn next(&self, capture: &Capture) -> Option<Vec<u8>> {
        let mut frames = capture.frames().into_iter().map(|captured| captured.frame);
        // Skips multicast frames: hosts with IPv6 look for neighbours and routers.
        let found = frames.find(|frame| frame[..2] != [0x33, 0x33]);
        assert_eq!(frames.find(|frame| frame[..2] != [0x33, 0x33]), None);
        found
    }

    /// Checks that the program leaves the packet to the director unchanged.
    #[track_caller]
    pub fn assert_left(&self, side: usize, frame: &[u8]) {
        let before = self.counted();
        self.send(side, frame);
        assert_eq!(self.fate(), Fate::Left(frame.to_vec()));
        assert_eq!(self.counted(), before);
    }

    /// A packet of that direction with that payload, before and after the translation.
    pub fn packet(&self, direction: usize, payload: &[u8]) -> [Vec<u8>; 2] {
        let [come, leave] = self.family.directions()[direction];
        let mut incoming = self.family.frame(self.protocol, come, payload);
        incoming[..12].copy_from_slice(&[DIRECTORS_MAC, HOSTS_MAC].concat());
        let mut outgoing = self.family.frame(self.protocol, leave, payload);
        outgoing[..12].copy_from_slice(&[HOSTS_MAC, DIRECTORS_MAC].concat());
        self.family.hop(&mut outgoing);
        [incoming, outgoing]
    }

    /// The packets and bytes that each lease has counted.
    pub fn counted(&self) -> [(u64, u64); 2] {
        let leases = self.family.leases(&self.bench);
        leases.map(|lease| forwarded(&lease))
    }
}

/// The number of bytes after the headers in these frames.
pub fn bytes(frames: &[Captured], headers: usize) -> usize {
    let lengths = frames.iter().map(|captured| captured.frame.len());
    lengths.map(|length| length - headers).sum()
}

/// The client's socket, connected to the VIP, and the server's socket.
pub fn udp_sockets(wire: &Wire) -> [UdpSocket; 2] {
    let session = wire.family.session();
    wire.network.add_addresses();
    wire.network.server.enter();
    let server = UdpSocket::bind(session.server).unwrap();
    wire.network.client.enter();
    let client = UdpSocket::bind(session.client).unwrap();
    client.connect(session.vip).unwrap();
    let sockets = [client, server];
    for socket in &sockets {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    sockets
}

/// Both ends of a connection whose segments fill 1500 bytes.
pub fn tcp_sockets(wire: &Wire) -> [TcpStream; 2] {
    let session = wire.family.session();
    let segment = 1500 - wire.family.header() - 20;
    wire.network.add_addresses();
    wire.network.server.enter();
    let server = repaired::server([session.server, session.local_ip], segment);
    wire.network.client.enter();
    let client = repaired::client([session.client, session.vip], segment);
    [client, server]
}

#[test]
fn datagrams_of_each_size_pass_both_ways_with_checksums_left_to_the_device() {
    for family in FAMILIES {
        let wire = Wire::new(family, UDP);
        let [client, server] = udp_sockets(&wire);
        let local_ip: SocketAddr = family.session().local_ip;
        let largest = 1500 - family.header() - 8;
        let sizes = [0, 1, 2, 3, 100, 1400, largest];
        let mut buffer = [0; 2000];
        for size in sizes {
            let payload = vec![0xa5; size];
            client.send(&payload).unwrap();
            let (length, peer) = server.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..length], peer), (&payload[..], local_ip));
            server.send_to(&payload, peer).unwrap();
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], payload);
        }
        for frames in wire.received() {
            assert_eq!(frames.len(), sizes.len());
            assert!(frames.iter().all(|captured| captured.partial));
        }
    }
}

#[test]
fn a_tcp_connection_carries_megabytes_both_ways_in_gso_packets_with_partial_checksums() {
    let bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();
    for family in FAMILIES {
        let wire = Wire::new(family, TCP);
        let [mut client, mut server] = tcp_sockets(&wire);
        let length = bytes.len();
        let echo = thread::spawn(move || {
            let mut received = vec![0; length];
            server.read_exact(&mut received).unwrap();
            server.write_all(&received).unwrap();
            server
        });
        client.write_all(&bytes).unwrap();
        let mut echoed = vec![0; length];
        client.read_exact(&mut echoed).unwrap();
        assert!(echoed == bytes, "what comes back is what was sent");
        let _server = echo.join().unwrap();
        for frames in wire.received() {
            assert!(frames.iter().any(|captured| captured.partial));
            assert!(
                frames
                    .iter()
                    .any(|captured| captured.gso && captured.frame.len() > 1514)
            );
        }
    }
}
