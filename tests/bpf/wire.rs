// SPDX-License-Identifier: GPL-2.0-only
//! The programs at a real interface, between real sockets: client and server
//! see what they must, and every packet that arrives has right checksums,
//! those included that the kernel leaves to the device.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};

use ipvs_bpf::datapath::abi::Counter;

use crate::bench::Bench;
use crate::capture::{Capture, Captured};
use crate::flow::{CLIENT, LOCAL_IP, REQUEST, SERVER, SERVICE, TCP, UDP};
use crate::network::{CLIENTS_SIDE, INTERFACE, Network, SERVERS_SIDE};
use crate::packet::{Packet, assert_checksums, ends};

const PATIENCE: Option<Duration> = Some(Duration::from_secs(120));

/// The network with the programs attached, and what client and server receive.
struct Wire {
    network: Network,
    bench: Bench,
    at_client: Capture,
    at_server: Capture,
}

impl Wire {
    fn new(protocol: u8) -> Self {
        let mut bench = Bench::with_session(protocol);
        let network = Network::new();
        network.director.enter();
        for interface in [CLIENTS_SIDE, SERVERS_SIDE] {
            aya::programs::tc::qdisc_add_clsact(interface).unwrap();
        }
        bench.attach_to_servers_side(SERVERS_SIDE);
        bench.attach_to_clients_side(CLIENTS_SIDE);
        network.client.enter();
        let at_client = Capture::new(INTERFACE);
        network.server.enter();
        let at_server = Capture::new(INTERFACE);
        Self {
            network,
            bench,
            at_client,
            at_server,
        }
    }

    /// All that the client and the server have received, checked.
    fn received(&self) -> [Vec<Captured>; 2] {
        let [client, server] = [&self.at_client, &self.at_server].map(Capture::frames);
        for (frames, flow) in [(&client, [SERVER, CLIENT]), (&server, [LOCAL_IP, SERVER])] {
            assert!(!frames.is_empty());
            for captured in frames {
                assert_eq!(ends(&captured.frame), flow);
                assert_checksums(&captured.frame);
            }
        }
        [client, server]
    }
}

#[test]
fn a_tcp_connection_carries_megabytes_both_ways_in_gso_packets_with_partial_checksums() {
    let wire = Wire::new(TCP);
    let bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n % 251) as u8).collect();

    wire.network.server.enter();
    let listener = TcpListener::bind(SERVER).unwrap();
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
    assert_eq!(server.join().unwrap(), SocketAddr::V4(LOCAL_IP));
    for frames in wire.received() {
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
fn a_udp_reply_leads_the_services_id_up_and_a_request_leaves_without_it() {
    let wire = Wire::new(UDP);
    wire.network.server.enter();
    let server = UdpSocket::bind(SERVER).unwrap();
    wire.network.client.enter();
    let client = UdpSocket::bind(CLIENT).unwrap();
    client.connect(SERVER).unwrap();
    for socket in [&server, &client] {
        socket.set_read_timeout(PATIENCE).unwrap();
    }
    let mut buffer = [0; 2000];
    assert_eq!(wire.bench.service_read(), None);

    for size in [0, 1, 2, 3, 100, 1400, 1472] {
        let payload = vec![0xa5; size];
        client.send(&payload).unwrap();
        let (length, peer) = server.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], payload);
        assert_eq!(peer, SocketAddr::V4(LOCAL_IP));
        assert_eq!(wire.bench.service_read(), Some(0), "cleared after egress");

        server.send_to(&payload, peer).unwrap();
        let length = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], payload);
        assert_eq!(
            wire.bench.service_read(),
            Some(u32::from(SERVICE)),
            "tc_classid of ingress is the skb's tc_index after it"
        );
    }
    for frames in wire.received() {
        assert_eq!(frames.len(), 7);
        assert!(frames.iter().all(|captured| captured.partial));
    }
    let expected = [(Counter::Snat, 7), (Counter::Replies, 7)];
    assert_eq!(wire.bench.counted(), expected);
}

#[test]
fn a_frame_with_less_than_an_ipv4_header_is_dropped_at_egress_and_counted() {
    let wire = Wire::new(UDP);
    wire.network.director.enter();
    let out = Capture::new(SERVERS_SIDE);
    let frame = Packet::new(UDP, REQUEST).frame();
    let lengths = 15..14 + 20;
    for length in lengths.clone() {
        let refused = out.send(&frame[..length]).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOBUFS), "dropped");
    }
    let expected = [(Counter::Unreadable, lengths.len() as u64)];
    assert_eq!(wire.bench.counted(), expected);
    assert!(wire.at_server.frames().is_empty());
}

/// std cannot choose the local port of a connection.
fn connect_from_client() -> TcpStream {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    bind(fd.as_raw_fd(), &SockaddrIn::from(CLIENT)).unwrap();
    let stream = TcpStream::from(fd);
    // A time limit for the connection too: Linux takes it from SO_SNDTIMEO.
    stream.set_write_timeout(PATIENCE).unwrap();
    stream.set_read_timeout(PATIENCE).unwrap();
    connect(stream.as_raw_fd(), &SockaddrIn::from(SERVER)).unwrap();
    stream
}
