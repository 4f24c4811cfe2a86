// SPDX-License-Identifier: GPL-2.0-only
//! The programs at a real interface with IPv6; see `wire.rs`.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, connect, socket};

use ipvs_bpf::datapath::abi::Counter;

use crate::bench::Bench;
use crate::capture::{Capture, Captured};
use crate::flow::{SERVICE, TCP, UDP};
use crate::network::{CLIENTS_SIDE, INTERFACE, Network, SERVERS_SIDE};
use crate::packet6::{CLIENT6, LOCAL_IP6, SERVER6, assert_checksum6, ends6};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(120));

struct Wire6 {
    network: Network,
    bench: Bench,
    at_client: Capture,
    at_server: Capture,
}

impl Wire6 {
    fn new(protocol: u8) -> Self {
        let mut bench = Bench::with_session6(protocol);
        let network = Network::new();
        network.director.enter();
        for interface in [CLIENTS_SIDE, SERVERS_SIDE] {
            aya::programs::tc::qdisc_add_clsact(interface).unwrap();
        }
        bench.attach_to_servers_side(SERVERS_SIDE);
        bench.attach_to_clients_side(CLIENTS_SIDE);
        network.client.enter();
        let at_client = Capture::of(INTERFACE, libc::ETH_P_IPV6);
        network.server.enter();
        let at_server = Capture::of(INTERFACE, libc::ETH_P_IPV6);
        Self {
            network,
            bench,
            at_client,
            at_server,
        }
    }

    /// All of that protocol that client and server have received, checked.
    fn received(&self, protocol: u8) -> [Vec<Captured>; 2] {
        let [client, server] = [&self.at_client, &self.at_server].map(|capture| {
            let mut frames = capture.frames();
            frames.retain(|captured| captured.frame[14 + 6] == protocol);
            frames
        });
        for (frames, flow) in [
            (&client, [SERVER6, CLIENT6]),
            (&server, [LOCAL_IP6, SERVER6]),
        ] {
            assert!(!frames.is_empty());
            for captured in frames {
                assert_eq!(ends6(&captured.frame), flow);
                assert_checksum6(&captured.frame);
            }
        }
        [client, server]
    }
}

#[test]
fn a_tcp_connection_over_ipv6_carries_megabytes_in_gso_packets_with_partial_checksums() {
    let wire = Wire6::new(TCP);
    let bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();

    wire.network.server.enter();
    let listener = TcpListener::bind(SERVER6).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        stream.set_read_timeout(PATIENCE).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(&received).unwrap();
        peer
    });
    wire.network.client.enter();
    let mut client = connect_from_client();
    client.write_all(&bytes).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut echoed = Vec::new();
    client.read_to_end(&mut echoed).unwrap();

    assert!(echoed == bytes, "what comes back is what was sent");
    assert_eq!(server.join().unwrap(), SocketAddr::V6(LOCAL_IP6));
    for frames in wire.received(TCP) {
        assert!(frames.iter().any(|captured| captured.partial));
        assert!(
            frames
                .iter()
                .any(|captured| captured.gso && captured.frame.len() > 1514)
        );
    }
    let counted = wire.bench.counted();
    let counters: Vec<Counter> = counted.iter().map(|(counter, _)| *counter).collect();
    assert_eq!(counters, [Counter::Snat, Counter::Replies], "no drops");
}

#[test]
fn an_ipv6_udp_reply_leads_the_services_id_up_and_a_request_leaves_without_it() {
    let wire = Wire6::new(UDP);
    wire.network.server.enter();
    let server = UdpSocket::bind(SERVER6).unwrap();
    wire.network.client.enter();
    let client = UdpSocket::bind(CLIENT6).unwrap();
    client.connect(SERVER6).unwrap();
    for socket in [&server, &client] {
        socket.set_read_timeout(PATIENCE).unwrap();
    }
    let mut buffer = [0; 2000];
    for size in [0, 1, 2, 3, 100, 1400, 1452] {
        let payload = vec![0xa5; size];
        client.send(&payload).unwrap();
        let (length, peer) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], payload);
        assert_eq!(peer, SocketAddr::V6(LOCAL_IP6));
        assert_eq!(wire.bench.service_read(), Some(0), "cleared after egress");

        server.send_to(&payload, peer).unwrap();
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], payload);
        assert_eq!(wire.bench.service_read(), Some(u32::from(SERVICE)));
    }
    for frames in wire.received(UDP) {
        assert_eq!(frames.len(), 7);
        assert!(frames.iter().all(|captured| captured.partial));
    }
    let expected = [(Counter::Snat, 7), (Counter::Replies, 7)];
    assert_eq!(wire.bench.counted(), expected);
}

/// std cannot choose the local port of a connection.
fn connect_from_client() -> TcpStream {
    let fd = socket(
        AddressFamily::Inet6,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn6::from(CLIENT6)).unwrap();
    let stream = TcpStream::from(fd);
    stream.set_write_timeout(PATIENCE).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    connect(stream.as_raw_fd(), &SockaddrIn6::from(SERVER6)).unwrap();
    stream
}
