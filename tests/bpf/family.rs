// SPDX-License-Identifier: GPL-2.0-only
//! Most tests are the same for both families. This file has the differences.

use std::net::{IpAddr, SocketAddr};

use ipvs_bpf::datapath::abi::Lease;
use nix::libc;

use crate::bench::Bench;
use crate::packet::Packet;
use crate::packet6::Packet6;
use crate::{flow, packet, packet6};

pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

#[derive(Clone, Copy, Debug)]
pub enum Family {
    V4,
    V6,
}

/// The ends of the session that the tests translate.
pub struct Session {
    pub client: SocketAddr,
    pub vip: SocketAddr,
    pub local_ip: SocketAddr,
    pub server: SocketAddr,
}

impl Family {
    pub fn session(self) -> Session {
        match self {
            Self::V4 => Session {
                client: flow::CLIENT.into(),
                vip: flow::VIP.into(),
                local_ip: flow::LOCAL_IP.into(),
                server: flow::SERVER.into(),
            },
            Self::V6 => Session {
                client: packet6::CLIENT6.into(),
                vip: packet6::VIP6.into(),
                local_ip: packet6::LOCAL_IP6.into(),
                server: packet6::SERVER6.into(),
            },
        }
    }

    /// For requests and for replies: source and destination on arrival, and after the
    /// translation.
    pub fn directions(self) -> [[[SocketAddr; 2]; 2]; 2] {
        let session = self.session();
        [
            [
                [session.client, session.vip],
                [session.local_ip, session.server],
            ],
            [
                [session.server, session.local_ip],
                [session.vip, session.client],
            ],
        ]
    }

    pub fn ether_type(self) -> i32 {
        match self {
            Self::V4 => libc::ETH_P_IP,
            Self::V6 => libc::ETH_P_IPV6,
        }
    }

    /// The size of an IP header.
    pub fn header(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }

    /// The protocol in the IP header.
    pub fn protocol(self, frame: &[u8]) -> u8 {
        match self {
            Self::V4 => frame[14 + 9],
            Self::V6 => frame[14 + 6],
        }
    }

    pub fn frame(self, protocol: u8, ends: [SocketAddr; 2], payload: &[u8]) -> Vec<u8> {
        let payload = payload.to_vec();
        match ends {
            [SocketAddr::V4(source), SocketAddr::V4(destination)] => Packet {
                payload,
                ..Packet::new(protocol, [source, destination])
            }
            .frame(),
            [SocketAddr::V6(source), SocketAddr::V6(destination)] => Packet6 {
                payload,
                ..Packet6::new(protocol, [source, destination])
            }
            .frame(),
            _ => panic!("{ends:?} are of two families"),
        }
    }

    /// Takes off one hop, as a router does.
    pub fn hop(self, frame: &mut [u8]) {
        match self {
            Self::V4 => {
                frame[14 + 8] -= 1;
                packet::fill_header_checksum(frame);
            }
            Self::V6 => frame[14 + 7] -= 1,
        }
    }

    /// Sets the TTL or the hop limit.
    pub fn set_hops(self, frame: &mut [u8], hops: u8) {
        match self {
            Self::V4 => {
                frame[14 + 8] = hops;
                packet::fill_header_checksum(frame);
            }
            Self::V6 => frame[14 + 7] = hops,
        }
    }

    /// Addresses that differ in one bit, each in another word of 32 bits.
    pub fn other_addresses(address: IpAddr) -> Vec<IpAddr> {
        match address {
            IpAddr::V4(address) => vec![IpAddr::from((u32::from(address) ^ 1).to_be_bytes())],
            IpAddr::V6(address) => (0..4)
                .map(|word| IpAddr::from((u128::from(address) ^ 1 << (word * 32)).to_be_bytes()))
                .collect(),
        }
    }

    /// Sets the length in the IP header to the end of the frame.
    pub fn set_length(self, frame: &mut [u8]) {
        let length = (frame.len() - 14) as u16;
        match self {
            Self::V4 => {
                packet::set(frame, |_| 14 + 2, length);
                packet::fill_header_checksum(frame);
            }
            Self::V6 => packet::set(frame, |_| 14 + 4, length - 40),
        }
    }

    pub fn fill_tcp_checksum(self, frame: &mut [u8]) {
        let transport = 14 + self.header();
        packet::set(frame, |_| transport + 16, 0);
        let pseudo = packet::pseudo(frame, transport).to_be_bytes();
        let check = !packet::sum(&[&pseudo, &frame[transport..]]);
        packet::set(frame, |_| transport + 16, check);
    }

    pub fn ends(self, frame: &[u8]) -> [SocketAddr; 2] {
        match self {
            Self::V4 => packet::ends(frame).map(SocketAddr::V4),
            Self::V6 => packet6::ends6(frame).map(SocketAddr::V6),
        }
    }

    #[track_caller]
    pub fn assert_checksums(self, frame: &[u8]) {
        match self {
            Self::V4 => packet::assert_checksums(frame),
            Self::V6 => packet6::assert_checksum6(frame),
        }
    }

    pub fn set_leases(self, bench: &mut Bench, protocol: u8, leases: [Lease; 2]) {
        match self {
            Self::V4 => bench.set_leases4(protocol, leases),
            Self::V6 => bench.set_leases6(protocol, leases),
        }
    }

    pub fn last(self, bench: &Bench) -> [u32; 2] {
        match self {
            Self::V4 => bench.last4(),
            Self::V6 => bench.last6(),
        }
    }

    pub fn leases(self, bench: &Bench) -> [Lease; 2] {
        match self {
            Self::V4 => bench.leases4(),
            Self::V6 => bench.leases6(),
        }
    }
}
