// SPDX-License-Identifier: GPL-2.0-only
//! The instructions that a server takes for a connection whose client it is told
//! (docs/guides/client-address.md), with the programs of the receiver and without them: the
//! kernel's work for SYN and ACK, `accept()`, `getpeername()`, and the end.
//!
//! A packet socket is the director: its ACK has the option that names the client. The cost of
//! sending these frames, to a server that drops them, is subtracted.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use comfy_table::Cell;
use etherparse::{SlicedPacket, TcpHeader, TransportSlice};
use ipvs_bpf::model::Network as Prefix;
use ipvs_bpf::toa::{self, Loaded, cgroup};

use crate::flow::{self, DIRECTOR_SERVER_MAC, FAMILIES, Family, SERVER_MAC, SERVER_PORT};
use crate::measure::{median, now};
use crate::namespace::Namespace;
use crate::network::mac;
use crate::packet_socket::PacketSocket;
use crate::programs::{Arrivals, make_room};
use crate::report::release;
use crate::table::{number, right, table};

/// The connections that are measured at once. So few packets are handled before the call that
/// sends them returns: long soft interrupts are left to a kernel thread.
const CONNECTIONS: u16 = 16;
/// The times that each way is measured, in turn.
const ROUNDS: u16 = 40;
const FIRST_PORT: u16 = 2_000;
/// The client's sequence number.
const SEQUENCE: u32 = 1_000;
const CLIENT_PORT: u16 = 40_001;

/// Measures both families and prints a table.
pub fn measure() {
    let (network, sink) = (Network::lay_out(), Network::lay_out());
    sink.server.within(|| Arrivals::at("eth0"));
    let mut table = table(&[
        "a connection at the server",
        "without",
        "with",
        "with ÷ without",
    ]);
    for family in FAMILIES {
        let [without, with] = costs(&network, &sink, family);
        table.add_row([
            Cell::new(format!("  {}", family.name())),
            right(number(without.round() as i64)),
            right(number(with.round() as i64)),
            right(format!("{:.3}", with / without)),
        ]);
    }
    println!("Instructions. Linux {}.\n\n{table}", release());
}

/// The instructions for a connection, without the programs and with them.
fn costs(network: &Network, sink: &Network, family: Family) -> [f64; 2] {
    let listener = network.listen(family);
    let mut programs = Programs::load(family);
    let mut sending = Vec::new();
    let mut serving = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // Ports differ, so that no connection meets the rest of another one.
        let ports = FIRST_PORT + round * 2 * CONNECTIONS..;
        sending.push(sink.cost_of_sending(family, ports.start));
        for (told, costs) in serving.iter_mut().enumerate() {
            let first = ports.start + told as u16 * CONNECTIONS;
            let links = (told == 1).then(|| programs.attach());
            costs.push(network.serve(family, &listener, first, links.is_some()));
        }
    }
    let sending = median(sending);
    serving.map(|costs| (median(costs) - sending) / f64::from(CONNECTIONS))
}

/// The programs of the receiver.
struct Programs(Loaded);

impl Programs {
    fn load(family: Family) -> Self {
        let mut loaded = toa::load().expect("the kernel has what the receiver needs");
        let length = if family == Family::Ipv4 { 32 } else { 128 };
        let trusted = Prefix::containing(flow::local_ip(family, 0), length);
        loaded.set_trust(&BTreeSet::from([trusted])).expect("a map");
        Programs(loaded)
    }

    /// Attaches them at all cgroups, while the value lives.
    fn attach(&mut self) -> impl Sized + use<> {
        let root = File::open(cgroup::root().expect("cgroup v2 is mounted")).expect("root");
        self.0.attach(&root).expect("root may attach them")
    }
}

/// A director that sends frames, and a server.
struct Network {
    director: Namespace,
    server: Namespace,
    socket: PacketSocket,
}

impl Network {
    fn lay_out() -> Self {
        let (director, server) = (Namespace::new(), Namespace::new());
        server.ip(&format!(
            "link set lo up
             link add eth0 address {} type veth peer name eth0 address {} netns {}",
            mac(SERVER_MAC),
            mac(DIRECTOR_SERVER_MAC),
            director.path()
        ));
        director.sysctl("net.ipv6.conf.all.disable_ipv6=1");
        server.sysctl("net.ipv6.conf.all.accept_dad=0");
        server.sysctl("net.ipv6.conf.eth0.router_solicitations=0");
        director.ip("link set eth0 up");
        server.ip("link set eth0 up");
        for (family, long, nodad) in [(Family::Ipv4, 16, ""), (Family::Ipv6, 64, "nodad")] {
            server.ip(&format!(
                "addr add {}/{long} dev eth0 {nodad}
                 neigh add {} lladdr {} dev eth0",
                flow::server(family),
                flow::local_ip(family, 0),
                mac(DIRECTOR_SERVER_MAC),
            ));
        }
        // The director only listens.
        for end in [&director, &server] {
            make_room(end, "eth0");
        }
        director.within(|| Arrivals::at("eth0"));
        let socket = director.within(|| PacketSocket::at("eth0").expect("a packet socket"));
        Network {
            director,
            server,
            socket,
        }
    }

    fn listen(&self, family: Family) -> TcpListener {
        let address = SocketAddr::new(flow::server(family), SERVER_PORT);
        self.server
            .within(|| TcpListener::bind(address).expect("the server's address"))
    }

    fn send(&self, frames: &[Vec<u8>]) -> f64 {
        let begin = now();
        self.socket.send(frames).expect("frames are sent");
        (now() - begin) as f64
    }

    /// The instructions for sending what serve() sends, to a server that drops it.
    fn cost_of_sending(&self, family: Family, first: u16) -> f64 {
        let none = [0; CONNECTIONS as usize];
        [Kind::Syn, Kind::Ack, Kind::Rst]
            .map(|kind| self.send(&frames(family, first, kind, &none)))
            .iter()
            .sum()
    }

    /// The instructions for these connections, from their SYNs to their ends.
    fn serve(&self, family: Family, listener: &TcpListener, first: u16, told: bool) -> f64 {
        let heard = self
            .director
            .within(|| PacketSocket::listening("eth0").expect("a packet socket"));
        let none = [0; CONNECTIONS as usize];
        let mut cost = self.send(&frames(family, first, Kind::Syn, &none));
        let numbers = acknowledgments(&heard.heard().expect("a packet socket"), first);
        cost += self.send(&frames(family, first, Kind::Ack, &numbers));
        let begin = now();
        let streams: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (stream, _) = listener.accept().expect("a connection");
                let peer = stream.peer_addr().expect("its client");
                (stream, peer)
            })
            .collect();
        cost += (now() - begin) as f64;
        for (number, (_, peer)) in (0..).zip(&streams) {
            let own = SocketAddr::new(flow::local_ip(family, 0), first + number);
            let expected = if told { client(family) } else { own };
            assert_eq!(*peer, expected);
        }
        cost += self.send(&frames(family, first, Kind::Rst, &numbers));
        let begin = now();
        drop(streams);
        cost + (now() - begin) as f64
    }
}

/// The client that the option names.
fn client(family: Family) -> SocketAddr {
    let address: IpAddr = match family {
        Family::Ipv4 => Ipv4Addr::new(198, 51, 100, 7).into(),
        Family::Ipv6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
    };
    SocketAddr::new(address, CLIENT_PORT)
}

/// Kind 254, length, port, address (docs/concepts/toa.md).
fn option(family: Family) -> Vec<u8> {
    let mut option = vec![254, 0];
    option.extend(CLIENT_PORT.to_be_bytes());
    match client(family).ip() {
        IpAddr::V4(address) => option.extend(address.octets()),
        IpAddr::V6(address) => option.extend(address.octets()),
    }
    option[1] = option.len() as u8;
    option
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Syn,
    Ack,
    Rst,
}

/// A frame of each connection, from the local IP to the server.
fn frames(family: Family, first: u16, kind: Kind, acknowledged: &[u32]) -> Vec<Vec<u8>> {
    (first..)
        .zip(acknowledged)
        .map(|(port, acknowledged)| {
            let mut header = TcpHeader::new(port, SERVER_PORT, SEQUENCE + 1, 32_000);
            header.acknowledgment_number = *acknowledged;
            match kind {
                Kind::Syn => {
                    header.sequence_number = SEQUENCE;
                    header.syn = true;
                }
                Kind::Ack => {
                    header.ack = true;
                    header
                        .set_options_raw(&option(family))
                        .expect("a header has room for it");
                }
                Kind::Rst => header.rst = true,
            }
            let macs = (DIRECTOR_SERVER_MAC, SERVER_MAC);
            let builder = flow::packet(macs, flow::local_ip(family, 0), flow::server(family));
            let mut frame = Vec::new();
            let builder = builder.tcp_header(header);
            builder.write(&mut frame, &[]).expect("a frame");
            frame
        })
        .collect()
}

/// The numbers that acknowledge the SYNs of the server, by connection.
fn acknowledgments(heard: &[Vec<u8>], first: u16) -> Vec<u32> {
    let mut numbers = vec![None; usize::from(CONNECTIONS)];
    for frame in heard {
        let packet = SlicedPacket::from_ethernet(frame).expect("a frame of the kernel");
        if let Some(TransportSlice::Tcp(tcp)) = packet.transport
            && tcp.syn()
            && let Some(number) = tcp.destination_port().checked_sub(first)
            && let Some(place) = numbers.get_mut(usize::from(number))
        {
            *place = Some(tcp.sequence_number().wrapping_add(1));
        }
    }
    numbers
        .into_iter()
        .map(|number| number.expect("the server answers each SYN"))
        .collect()
}
