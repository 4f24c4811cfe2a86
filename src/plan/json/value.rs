// SPDX-License-Identifier: GPL-2.0-only
//! The JSON of the values in a step: `old` and `new`.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;

use crate::model::{
    ClientAddress, FullNat, Netmask, Network, Persistence, Server, Service, SyncDaemon, Tunnel,
    TunnelChecksum,
};
use crate::plan::step::Assignment;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Value<'a> {
    Timeout {
        seconds: u32,
    },
    Sysctl {
        value: &'a str,
    },
    SyncDaemon {
        interface: &'a str,
        id: u8,
        group: IpAddr,
        port: u16,
        ttl: u8,
        sync_maxlen: Option<u16>,
    },
    Datapath {
        max_sessions: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        fast_path: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        other_build: Option<bool>,
    },
    FastPath {
        on: bool,
    },
    PortSecret {
        random: bool,
    },
    Toa {
        trust: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        other_build: Option<bool>,
    },
    LocalIp {
        pool: &'a str,
        ports: String,
    },
    FullNat {
        pool: &'a str,
        client_address: Option<ClientAddress>,
    },
    Service {
        scheduler: &'a str,
        scheduler_flags: Vec<&'static str>,
        persistence: Option<PersistenceValue<'a>>,
        one_packet: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        servers: Option<Vec<SocketAddr>>,
    },
    Server {
        weight: u32,
        forward: &'static str,
        tunnel: Option<TunnelValue>,
        upper_threshold: u32,
        lower_threshold: u32,
    },
}

#[derive(Serialize)]
pub(crate) struct PersistenceValue<'a> {
    timeout: u32,
    netmask: NetmaskValue,
    engine: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum NetmaskValue {
    V4(Ipv4Addr),
    V6(u8),
}

#[derive(Serialize)]
pub(crate) struct TunnelValue {
    #[serde(rename = "type")]
    kind: &'static str,
    port: Option<u16>,
    checksum: &'static str,
}

impl<'a> From<&'a SyncDaemon> for Value<'a> {
    fn from(daemon: &'a SyncDaemon) -> Self {
        Value::SyncDaemon {
            interface: &daemon.interface,
            id: daemon.id,
            group: daemon.group,
            port: daemon.port,
            ttl: daemon.ttl,
            sync_maxlen: daemon.sync_maxlen,
        }
    }
}

impl<'a> From<&'a FullNat> for Value<'a> {
    fn from(full_nat: &'a FullNat) -> Self {
        Value::FullNat {
            pool: &full_nat.pool,
            client_address: full_nat.client_address,
        }
    }
}

impl<'a> From<&'a Assignment> for Value<'a> {
    fn from(assignment: &'a Assignment) -> Self {
        Value::LocalIp {
            pool: &assignment.pool,
            ports: assignment.ports.to_string(),
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn toa(trust: &BTreeSet<Network>, other_build: Option<bool>) -> Self {
        Value::Toa {
            trust: trust.iter().map(Network::to_string).collect(),
            other_build,
        }
    }

    pub(super) fn service(service: &'a Service, with_servers: bool) -> Self {
        Value::Service {
            scheduler: &service.scheduler,
            scheduler_flags: service.scheduler_flag_names(),
            persistence: service.persistence.as_ref().map(PersistenceValue::from),
            one_packet: service.one_packet,
            servers: with_servers.then(|| service.servers.keys().copied().collect()),
        }
    }
}

impl<'a> From<&'a Persistence> for PersistenceValue<'a> {
    fn from(persistence: &'a Persistence) -> Self {
        PersistenceValue {
            timeout: persistence.timeout,
            netmask: match persistence.netmask {
                Netmask::V4(mask) => NetmaskValue::V4(mask),
                Netmask::V6(length) => NetmaskValue::V6(length),
            },
            engine: persistence.engine.as_deref(),
        }
    }
}

impl From<&Server> for Value<'_> {
    fn from(server: &Server) -> Self {
        Value::Server {
            weight: server.weight,
            forward: server.forward.name(),
            tunnel: server.forward.tunnel().map(TunnelValue::from),
            upper_threshold: server.upper_threshold,
            lower_threshold: server.lower_threshold,
        }
    }
}

impl From<Tunnel> for TunnelValue {
    fn from(tunnel: Tunnel) -> Self {
        let (kind, port, checksum) = match tunnel {
            Tunnel::Ipip => ("ipip", None, TunnelChecksum::None),
            Tunnel::Gue { port, checksum } => ("gue", Some(port), checksum),
            Tunnel::Gre { checksum } => ("gre", None, checksum),
        };
        TunnelValue {
            kind,
            port,
            checksum: match checksum {
                TunnelChecksum::None => "none",
                TunnelChecksum::Full => "full",
                TunnelChecksum::Remote => "remote",
            },
        }
    }
}
