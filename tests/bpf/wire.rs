// SPDX-License-Identifier: GPL-2.0-only
//! The program at real interfaces, between real sockets: what arrives is translated
//! and has right checksums, also where the kernel leaves them, and the segmentation,
//! to a device. (TCP between real sockets is tested in the VM: its handshake is
//! IPVS's.)

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::libc;
use nix::net::if_::if_nametoindex;

use ipvs_bpf::datapath::abi::Lease;

use crate::bench::Bench;
use crate::capture::{Capture, Captured};
use crate::flow::{CLIENT, LOCAL_IP, SERVER, UDP, VIP, entries};
use crate::lease::{lease, leased4, leased6};
use crate::network::{CLIENTS_SIDE, INTERFACE, MACS, Network, SERVERS_SIDE};
use crate::packet::{
    Packet, assert_checksums, ends, fill_checksums, set, sums, transport_check_at,
};
use crate::packet6::{CLIENT6, LOCAL_IP6, SERVER6, VIP6, assert_checksum6, ends6, entries6};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(60));

/// One family's addresses.
#[derive(Clone, Copy)]
struct Ends {
    client: SocketAddr,
    vip: SocketAddr,
    local_ip: SocketAddr,
    server: SocketAddr,
}

const IPV4: Ends = Ends {
    client: SocketAddr::V4(CLIENT),
    vip: SocketAddr::V4(VIP),
    local_ip: SocketAddr::V4(LOCAL_IP),
    server: SocketAddr::V4(SERVER),
};

const IPV6: Ends = Ends {
    client: SocketAddr::V6(CLIENT6),
    vip: SocketAddr::V6(VIP6),
    local_ip: SocketAddr::V6(LOCAL_IP6),
    server: SocketAddr::V6(SERVER6),
};

/// The network with the program attached, and what client and server receive.
struct Wire {
    network: Network,
    bench: Bench,
    at_client: Capture,
    at_server: Capture,
    ends: Ends,
}

impl Wire {
    fn new(ends: Ends) -> Self {
        let mut bench = Bench::empty();
        let network = Network::new();
        network.director.enter();
        let interfaces = [CLIENTS_SIDE, SERVERS_SIDE].map(|name| if_nametoindex(name).unwrap());
        // The original direction comes in at the one, and the reply at the other.
        for (direction, (iif, ifindex)) in [(0, 1), (1, 0)].into_iter().enumerate() {
            let lease = Lease {
                iif: interfaces[iif],
                ifindex: interfaces[ifindex],
                macs: MACS,
                ..lease()
            };
            let (tuple, flow) = entries(UDP)[direction];
            let flow = leased4(&tuple, flow, lease);
            bench.flows4.insert(tuple, flow, 0).unwrap();
            let (tuple, flow) = entries6(UDP)[direction];
            let flow = leased6(&tuple, flow, lease);
            bench.flows6.insert(tuple, flow, 0).unwrap();
        }
        for interface in [CLIENTS_SIDE, SERVERS_SIDE] {
            bench.attach(interface);
        }
        let ether_type = if ends.vip.is_ipv4() {
            libc::ETH_P_IP
        } else {
            libc::ETH_P_IPV6
        };
        network.client.enter();
        let at_client = Capture::new(INTERFACE, ether_type);
        network.server.enter();
        let at_server = Capture::new(INTERFACE, ether_type);
        Self {
            network,
            bench,
            at_client,
            at_server,
            ends,
        }
    }

    /// The sockets of client and server.
    fn sockets(&self) -> [UdpSocket; 2] {
        self.network.server.enter();
        let server = UdpSocket::bind(self.ends.server).unwrap();
        self.network.client.enter();
        let client = UdpSocket::bind(self.ends.client).unwrap();
        client.connect(self.ends.vip).unwrap();
        for socket in [&server, &client] {
            socket.set_read_timeout(PATIENCE).unwrap();
        }
        [client, server]
    }

    /// All datagrams that client and server have received, checked.
    fn received(&self) -> [Vec<Captured>; 2] {
        let Ends {
            client,
            vip,
            local_ip,
            server,
        } = self.ends;
        let received = [&self.at_client, &self.at_server].map(|capture| {
            let mut frames = capture.frames();
            frames.retain(|captured| is_udp(&captured.frame));
            frames
        });
        for (frames, flow) in received.iter().zip([[vip, client], [local_ip, server]]) {
            assert!(!frames.is_empty());
            for captured in frames {
                if client.is_ipv4() {
                    assert_eq!(ends(&captured.frame).map(SocketAddr::V4), flow);
                    assert_checksums(&captured.frame);
                } else {
                    assert_eq!(ends6(&captured.frame).map(SocketAddr::V6), flow);
                    assert_checksum6(&captured.frame);
                }
            }
        }
        received
    }
}

fn is_udp(frame: &[u8]) -> bool {
    frame[if frame[14] >> 4 == 4 { 14 + 9 } else { 14 + 6 }] == UDP
}

#[test]
fn datagrams_with_partial_checksums_arrive_translated_in_both_families() {
    for ends in [IPV4, IPV6] {
        let wire = Wire::new(ends);
        let [client, server] = wire.sockets();
        let mut buffer = [0; 2000];
        for size in [0, 1, 2, 3, 100, 1400, 1452] {
            let payload = vec![0xa5; size];
            client.send(&payload).unwrap();
            let (length, peer) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], payload);
            assert_eq!(peer, ends.local_ip);
            server.send_to(&payload, peer).unwrap();
            let length = client.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], payload);
        }
        for frames in wire.received() {
            assert_eq!(frames.len(), 7);
            assert!(frames.iter().all(|captured| captured.partial));
        }
        assert_eq!(wire.bench.counted(), []);
    }
}

#[test]
fn datagrams_that_travel_together_fit_where_each_of_them_does() {
    for ends in [IPV4, IPV6] {
        let wire = Wire::new(ends);
        let [client, server] = wire.sockets();
        let mut buffer = [0; 2000];
        let segment: libc::c_int = 1000;
        // SAFETY: a value of that length.
        let result = unsafe {
            libc::setsockopt(
                client.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                (&raw const segment).cast(),
                size_of_val(&segment) as u32,
            )
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        let payload: Vec<u8> = (0..4500u32).map(|n| (n % 251) as u8).collect();
        client.send(&payload).unwrap();
        for part in payload.chunks(1000) {
            let length = server.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], part);
        }
        server.send_to(b"done", ends.local_ip).unwrap();
        client.recv(&mut buffer).unwrap();
        // One frame carried them.
        let [_, at_server] = wire.received();
        assert_eq!(at_server.len(), 1);
        assert!(at_server[0].gso && at_server[0].partial);
    }
}

/// A frame of the client's.
fn from_client(packet: &Packet) -> Vec<u8> {
    let mut frame = packet.frame();
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    frame
}

#[test]
fn a_wrong_checksum_stays_as_wrong_as_it_was() {
    let wire = Wire::new(IPV4);
    let [_client, server] = wire.sockets();
    let packet = Packet::new(UDP, [CLIENT, VIP]);
    let right = from_client(&packet);
    for error in [1, 0x100, 0x8000] {
        let mut wrong = right.clone();
        let check = crate::packet::transport_check(&right);
        set(&mut wrong, transport_check_at, check.wrapping_add(error));
        wire.at_client.send(&wrong).unwrap();
    }
    // What is right arrives after them.
    wire.at_client.send(&right).unwrap();
    let mut buffer = [0; 2000];
    let length = server.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], packet.payload);
    let frames = wire.at_server.frames();
    assert_eq!(frames.len(), 4);
    for (captured, wrong) in frames.iter().zip([true, true, true, false]) {
        let [header, segment] = sums(&captured.frame);
        assert_eq!(header, 0xffff);
        assert_eq!(segment != 0xffff, wrong);
    }
}

#[test]
fn frames_that_end_within_their_headers_are_left_to_the_host() {
    let wire = Wire::new(IPV4);
    let [_client, server] = wire.sockets();
    let whole = from_client(&Packet::new(UDP, [CLIENT, VIP]));
    for length in 15..14 + 20 + 8 {
        let mut short = whole.clone();
        short.truncate(length);
        wire.at_client.send(&short).unwrap();
        // And where the header owns up to it.
        if length >= 14 + 20 {
            set(&mut short, |_| 14 + 2, length as u16 - 14);
            set(&mut short, |_| 14 + 10, 0);
            let sum = crate::packet::sum(&[&short[14..34]]);
            set(&mut short, |_| 14 + 10, !sum);
            wire.at_client.send(&short).unwrap();
        }
    }
    let mut last = whole.clone();
    fill_checksums(&mut last);
    wire.at_client.send(&last).unwrap();
    server.recv(&mut [0; 2000]).unwrap();
    assert_eq!(wire.at_server.frames().len(), 1);
    assert_eq!(wire.bench.counted(), []);
}
