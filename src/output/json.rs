// SPDX-License-Identifier: GPL-2.0-only
//! The JSON of `show`. Fields may be added, none is renamed or removed.
//! Addresses are strings as in the file, weights and counts numbers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

use super::tables::forward;
use crate::datapath;
use crate::ipvs_netlink::ServiceStatistics;
use crate::model::{Protocol, ServiceKey, State};

/// `show --json`: `{"services": […], "local_ips": […]}`.
#[derive(Serialize)]
pub struct Show {
    services: Vec<Service>,
    local_ips: Vec<LocalIp>,
    /// Interfaces that carry the eBPF programs; absent: full NAT is not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    interfaces: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Service {
    address: String,
    scheduler: String,
    /// The local IP pool; null: native IPVS.
    snat: Option<String>,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    address: SocketAddr,
    forward: &'static str,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
}

#[derive(Serialize)]
struct LocalIp {
    pool: String,
    address: std::net::IpAddr,
    first_port: u16,
    last_port: u16,
}

impl Show {
    pub fn new(state: &State, statistics: &BTreeMap<ServiceKey, ServiceStatistics>) -> Self {
        let services = state.services.iter().map(|(key, service)| Service {
            address: key.to_string(),
            scheduler: service.scheduler.clone(),
            snat: state.full_nat.get(key).cloned(),
            servers: service
                .servers
                .iter()
                .map(|(address, server)| {
                    let now = statistics
                        .get(key)
                        .and_then(|service| service.servers.get(address))
                        .map(|server| server.connections)
                        .unwrap_or_default();
                    Server {
                        address: *address,
                        forward: forward(server),
                        weight: server.weight,
                        upper_threshold: server.upper_threshold,
                        lower_threshold: server.lower_threshold,
                        active_connections: now.active,
                        inactive_connections: now.inactive,
                    }
                })
                .collect(),
        });
        let local_ips = state.local_ips.iter().map(|(local_ip, ports)| LocalIp {
            pool: local_ip.pool.clone(),
            address: local_ip.address,
            first_port: ports.first,
            last_port: ports.last,
        });
        Show {
            services: services.collect(),
            local_ips: local_ips.collect(),
            interfaces: state
                .datapath
                .as_ref()
                .map(|datapath| datapath.interfaces.iter().cloned().collect()),
        }
    }
}

/// `show --sessions --json`: `{"sessions": […]}`.
#[derive(Serialize)]
pub struct Sessions {
    sessions: Vec<Session>,
}

#[derive(Serialize)]
struct Session {
    protocol: Protocol,
    client: SocketAddr,
    vip: SocketAddr,
    local_ip: SocketAddr,
    server: SocketAddr,
}

impl Sessions {
    pub fn new(sessions: &[datapath::Session]) -> Self {
        Sessions {
            sessions: sessions
                .iter()
                .map(|session| Session {
                    protocol: session.protocol,
                    client: session.client,
                    vip: session.vip,
                    local_ip: session.local_ip,
                    server: session.server,
                })
                .collect(),
        }
    }
}
