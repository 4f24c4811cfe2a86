// SPDX-License-Identifier: GPL-2.0-only
//! One end of a TCP connection, segment by segment, with any options.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use etherparse::{NetSlice, PacketBuilder, SlicedPacket, TcpSlice, TransportSlice};

use crate::network::Network;

/// The next local port. Connections of this process never share one.
static PORT: AtomicU16 = AtomicU16::new(20000);

pub struct Client<'n> {
    network: &'n Network,
    pub from: SocketAddr,
    pub to: SocketAddr,
    /// The sequence number of the next segment.
    sequence: u32,
    /// The sequence number of the server's next segment.
    acknowledged: u32,
}

enum Flags {
    Syn,
    SynAck,
    Ack,
}

/// The option of kind 254, as a director adds it.
pub fn option(client: SocketAddr) -> Vec<u8> {
    let mut option = vec![254, 0];
    option.extend(client.port().to_be_bytes());
    match client.ip() {
        IpAddr::V4(v4) => option.extend(v4.octets()),
        IpAddr::V6(v6) => option.extend(v6.octets()),
    }
    option[1] = option.len() as u8;
    option
}

impl<'n> Client<'n> {
    /// A client with its own port.
    pub fn new(network: &'n Network, from: IpAddr, to: SocketAddr) -> Self {
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        Client {
            network,
            from: SocketAddr::new(from, port),
            to,
            sequence: 1000,
            acknowledged: 0,
        }
    }

    /// Sends a SYN, with data if the server has Fast Open.
    pub fn syn(&mut self, options: &[u8], data: &[u8]) {
        self.send(Flags::Syn, options, data);
        self.sequence += 1 + data.len() as u32;
    }

    /// Waits for the server's SYN and returns its options.
    pub fn syn_ack(&mut self) -> Vec<u8> {
        let (sequence, options) = self.network.receive(|packet| {
            let tcp = self.answer(packet).filter(|tcp| tcp.syn() && tcp.ack())?;
            Some((tcp.sequence_number(), tcp.options().to_vec()))
        });
        self.acknowledged = sequence.wrapping_add(1);
        options
    }

    /// Waits for a SYN that the kernel sends to this IPv4 address, and answers it.
    pub fn answer_syn(network: &'n Network, address: SocketAddr) -> Self {
        let (from, sequence) = network.receive(|packet| {
            let packet = SlicedPacket::from_ip(packet).ok()?;
            let (NetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) = (packet.net?, packet.transport?)
            else {
                return None;
            };
            let ours = address.ip() == IpAddr::from(ip.header().destination_addr())
                && address.port() == tcp.destination_port()
                && tcp.syn();
            let from = SocketAddr::new(ip.header().source_addr().into(), tcp.source_port());
            ours.then_some((from, tcp.sequence_number()))
        });
        let client = Client {
            network,
            from: address,
            to: from,
            sequence: 5000,
            acknowledged: sequence.wrapping_add(1),
        };
        client.send(Flags::SynAck, &[], &[]);
        client
    }

    /// Sends an ACK, with or without data.
    pub fn ack(&mut self, options: &[u8], data: &[u8]) {
        self.send(Flags::Ack, options, data);
        self.sequence += data.len() as u32;
    }

    /// Sends a SYN, and the ACK with these options.
    pub fn connect(&mut self, options: &[u8]) {
        self.syn(&[], &[]);
        self.syn_ack();
        self.ack(options, &[]);
    }

    /// Resets the connection.
    pub fn reset(&self) {
        let mut packet = Vec::new();
        let builder = self
            .ip()
            .tcp(self.from.port(), self.to.port(), self.sequence, 0xffff);
        builder
            .rst()
            .ack(self.acknowledged)
            .write(&mut packet, &[])
            .unwrap();
        self.network.send(&packet);
    }

    fn ip(&self) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        match (self.from.ip(), self.to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            }
            _ => panic!("one family"),
        }
    }

    fn send(&self, flags: Flags, options: &[u8], data: &[u8]) {
        let builder = self
            .ip()
            .tcp(self.from.port(), self.to.port(), self.sequence, 0xffff);
        let builder = builder.options_raw(options).unwrap();
        let builder = match flags {
            Flags::Syn => builder.syn(),
            Flags::SynAck => builder.syn().ack(self.acknowledged),
            Flags::Ack => builder.ack(self.acknowledged).psh(),
        };
        let mut packet = Vec::new();
        builder.write(&mut packet, data).unwrap();
        self.network.send(&packet);
    }

    /// The segment, if the server sent it to this client.
    fn answer<'p>(&self, packet: &'p [u8]) -> Option<TcpSlice<'p>> {
        let packet = SlicedPacket::from_ip(packet).ok()?;
        let from: IpAddr = match packet.net? {
            NetSlice::Ipv4(ip) => ip.header().source_addr().into(),
            NetSlice::Ipv6(ip) => ip.header().source_addr().into(),
            NetSlice::Arp(_) => return None,
        };
        let Some(TransportSlice::Tcp(tcp)) = packet.transport else {
            return None;
        };
        let ours = from == self.to.ip()
            && tcp.source_port() == self.to.port()
            && tcp.destination_port() == self.from.port();
        ours.then_some(tcp)
    }
}
