// SPDX-License-Identifier: GPL-2.0-only
//! Real servers in netlink messages, which call them destinations: `IPVS_DEST_ATTR_*`, to
//! and from [`Server`].

use std::net::SocketAddr;

use super::attribute::{Address, Port, attributes};
use super::error::Failure;
use super::service::{address_family, family_from};
use super::statistics::{Connections, Counters, ServerStatistics, Stats};
use crate::model::{Family, Forward, Server, Tunnel, TunnelChecksum};

const IP_VS_CONN_F_FWD_MASK: u32 = 0x0007;
const IP_VS_CONN_F_MASQ: u32 = 0;
const IP_VS_CONN_F_LOCALNODE: u32 = 1;
const IP_VS_CONN_F_TUNNEL: u32 = 2;
const IP_VS_CONN_F_DROUTE: u32 = 3;

const IP_VS_CONN_F_TUNNEL_TYPE_IPIP: u8 = 0;
const IP_VS_CONN_F_TUNNEL_TYPE_GUE: u8 = 1;
const IP_VS_CONN_F_TUNNEL_TYPE_GRE: u8 = 2;

const IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM: u16 = 0;
const IP_VS_TUNNEL_ENCAP_FLAG_CSUM: u16 = 1;
const IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM: u16 = 2;

attributes! {
    pub enum DestAttribute {
        Addr(Address) = 1,
        /// Big-endian.
        Port(Port) = 2,
        /// `IP_VS_CONN_F_FWD_MASK`.
        FwdMethod(u32) = 3,
        Weight(u32) = 4,
        UThresh(u32) = 5,
        LThresh(u32) = 6,
        ActiveConns(u32) = 7,
        InactConns(u32) = 8,
        PersistConns(u32) = 9,
        Stats(Stats) = 10,
        /// The family of `Addr`. If it is missing (before Linux 3.18), it is the
        /// service's.
        AddrFamily(u16) = 11,
        Stats64(Stats) = 12,
        TunType(u8) = 13,
        /// Big-endian.
        TunPort(Port) = 14,
        /// Host byte order.
        TunFlags(u16) = 15,
    }
}

/// The attributes that identify a server. The family is always included: without it the
/// kernel assumes the service's.
pub fn key(address: SocketAddr) -> Vec<DestAttribute> {
    // The capacity includes the attributes that `whole` adds.
    let mut attributes = Vec::with_capacity(10);
    attributes.extend([
        DestAttribute::AddrFamily(address_family(Family::of(address.ip()))),
        DestAttribute::Addr(address.ip().into()),
        DestAttribute::Port(Port(address.port())),
    ]);
    attributes
}

/// All attributes of `IPVS_CMD_NEW_DEST` and `IPVS_CMD_SET_DEST`.
pub fn all_attributes(address: SocketAddr, server: &Server) -> Vec<DestAttribute> {
    let (tunnel_type, tunnel_port, tunnel_flags) = match &server.forward {
        Forward::Tunnel(Tunnel::Gue { port, checksum }) => {
            (IP_VS_CONN_F_TUNNEL_TYPE_GUE, *port, flags(*checksum))
        }
        Forward::Tunnel(Tunnel::Gre { checksum }) => {
            (IP_VS_CONN_F_TUNNEL_TYPE_GRE, 0, flags(*checksum))
        }
        Forward::Tunnel(Tunnel::Ipip) | Forward::Masq | Forward::Route | Forward::Local => (
            IP_VS_CONN_F_TUNNEL_TYPE_IPIP,
            0,
            IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM,
        ),
    };
    let mut attributes = key(address);
    attributes.extend([
        DestAttribute::FwdMethod(match server.forward {
            Forward::Masq => IP_VS_CONN_F_MASQ,
            Forward::Local => IP_VS_CONN_F_LOCALNODE,
            Forward::Tunnel(_) => IP_VS_CONN_F_TUNNEL,
            Forward::Route => IP_VS_CONN_F_DROUTE,
        }),
        DestAttribute::Weight(server.weight),
        DestAttribute::TunType(tunnel_type),
        DestAttribute::TunPort(Port(tunnel_port)),
        DestAttribute::TunFlags(tunnel_flags),
        DestAttribute::UThresh(server.upper_threshold),
        DestAttribute::LThresh(server.lower_threshold),
    ]);
    attributes
}

fn flags(checksum: TunnelChecksum) -> u16 {
    match checksum {
        TunnelChecksum::None => IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM,
        TunnelChecksum::Full => IP_VS_TUNNEL_ENCAP_FLAG_CSUM,
        TunnelChecksum::Remote => IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM,
    }
}

/// A server from a dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestEntry {
    pub address: SocketAddr,
    pub server: Server,
    pub connections: Connections,
    stats: Option<Stats>,
}

impl DestEntry {
    /// `service` is the family of the service that the server belongs to.
    pub(super) fn read(attributes: Vec<DestAttribute>, service: Family) -> Result<Self, Failure> {
        let mut family = 0;
        let mut address = None;
        let mut port = None;
        let mut forward = None;
        let mut weight = None;
        let mut upper_threshold = 0;
        let mut lower_threshold = 0;
        let mut connections = Connections::default();
        let mut stats = None;
        let mut stats64 = None;
        let mut tunnel_type = IP_VS_CONN_F_TUNNEL_TYPE_IPIP;
        let mut tunnel_port = 0;
        let mut tunnel_flags = IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM;
        for attribute in attributes {
            match attribute {
                DestAttribute::AddrFamily(value) => family = value,
                DestAttribute::Addr(value) => address = Some(value),
                DestAttribute::Port(Port(value)) => port = Some(value),
                DestAttribute::FwdMethod(value) => forward = Some(value),
                DestAttribute::Weight(value) => weight = Some(value),
                DestAttribute::UThresh(value) => upper_threshold = value,
                DestAttribute::LThresh(value) => lower_threshold = value,
                DestAttribute::ActiveConns(value) => connections.active = value,
                DestAttribute::InactConns(value) => connections.inactive = value,
                DestAttribute::PersistConns(value) => connections.persistent = value,
                DestAttribute::Stats(value) => stats = Some(value),
                DestAttribute::Stats64(value) => stats64 = Some(value),
                DestAttribute::TunType(value) => tunnel_type = value,
                DestAttribute::TunPort(Port(value)) => tunnel_port = value,
                DestAttribute::TunFlags(value) => tunnel_flags = value,
                DestAttribute::Other(_) => {}
            }
        }

        let missing = Failure::missing;
        let family = match family {
            0 => service,
            number => family_from(number)?,
        };
        let ip = address
            .ok_or_else(|| missing("IPVS_DEST_ATTR_ADDR"))?
            .of_family(family);
        let port = port.ok_or_else(|| missing("IPVS_DEST_ATTR_PORT"))?;
        let address = SocketAddr::new(ip, port);
        let foreign = |what: String| Failure::Foreign(format!("{what} of the server {address}"));
        let method =
            forward.ok_or_else(|| missing("IPVS_DEST_ATTR_FWD_METHOD"))? & IP_VS_CONN_F_FWD_MASK;
        let forward = match method {
            IP_VS_CONN_F_MASQ => Forward::Masq,
            IP_VS_CONN_F_LOCALNODE => Forward::Local,
            IP_VS_CONN_F_DROUTE => Forward::Route,
            IP_VS_CONN_F_TUNNEL => Forward::Tunnel(
                read_tunnel(tunnel_type, tunnel_port, tunnel_flags).map_err(foreign)?,
            ),
            other => return Err(foreign(format!("the forwarding method {other}"))),
        };
        Ok(DestEntry {
            address,
            server: Server {
                weight: weight.ok_or_else(|| missing("IPVS_DEST_ATTR_WEIGHT"))?,
                forward,
                upper_threshold,
                lower_threshold,
            },
            connections,
            stats: stats64.or(stats),
        })
    }

    pub(super) fn statistics(&self) -> Result<ServerStatistics, Failure> {
        Ok(ServerStatistics {
            connections: self.connections,
            counters: Counters::read(&self.stats)?,
        })
    }
}

fn read_tunnel(kind: u8, port: u16, flags: u16) -> Result<Tunnel, String> {
    let checksum = || match flags {
        IP_VS_TUNNEL_ENCAP_FLAG_NOCSUM => Ok(TunnelChecksum::None),
        IP_VS_TUNNEL_ENCAP_FLAG_CSUM => Ok(TunnelChecksum::Full),
        IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM => Ok(TunnelChecksum::Remote),
        other => Err(format!("the tunnel flags {other:#x}")),
    };
    match kind {
        IP_VS_CONN_F_TUNNEL_TYPE_IPIP => Ok(Tunnel::Ipip),
        IP_VS_CONN_F_TUNNEL_TYPE_GUE => Ok(Tunnel::Gue {
            port,
            checksum: checksum()?,
        }),
        IP_VS_CONN_F_TUNNEL_TYPE_GRE => Ok(Tunnel::Gre {
            checksum: checksum()?,
        }),
        other => Err(format!("the tunnel type {other}")),
    }
}
