// SPDX-License-Identifier: GPL-2.0-only
//! The JSON document for services and servers. It is the same for all their
//! tables. `docs/reference/json.md` describes it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::director::{RunningDataPlane, RunningService};
use crate::ipvs_netlink::Counters;
use crate::model::ClientAddress;
use crate::plan::json::{PersistenceValue, TunnelValue};

#[derive(Serialize)]
pub(super) struct Document<'a> {
    services: Vec<ServiceValue<'a>>,
    local_ips: Vec<LocalIpValue<'a>>,
    interfaces: Option<&'a BTreeSet<String>>,
    xdp: &'a BTreeSet<String>,
}

#[derive(Serialize)]
struct ServiceValue<'a> {
    address: String,
    scheduler: &'a str,
    scheduler_flags: Vec<&'static str>,
    persistence: Option<PersistenceValue<'a>>,
    one_packet: bool,
    snat: Option<&'a str>,
    client_address: Option<ClientAddress>,
    by_rule: bool,
    sessions: Option<u32>,
    totals: Numbers,
    rates: Numbers,
    servers: Vec<ServerValue>,
}

#[derive(Serialize)]
struct ServerValue {
    address: SocketAddr,
    forward: &'static str,
    tunnel: Option<TunnelValue>,
    weight: u32,
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    totals: Numbers,
    rates: Numbers,
}

#[derive(Serialize)]
struct Numbers {
    connections: u64,
    incoming_packets: u64,
    outgoing_packets: u64,
    incoming_bytes: u64,
    outgoing_bytes: u64,
}

#[derive(Serialize)]
struct LocalIpValue<'a> {
    pool: &'a str,
    address: IpAddr,
    first_port: u16,
    last_port: u16,
}

impl<'a> Document<'a> {
    pub fn new(services: &'a [RunningService], data_plane: &'a RunningDataPlane) -> Self {
        let local_ips = data_plane.local_ips.iter().map(|line| LocalIpValue {
            pool: &line.local_ip.pool,
            address: line.local_ip.address,
            first_port: line.ports.first,
            last_port: line.ports.last,
        });
        Document {
            services: services.iter().map(ServiceValue::new).collect(),
            local_ips: local_ips.collect(),
            interfaces: data_plane.interfaces.as_ref(),
            xdp: &data_plane.xdp,
        }
    }
}

impl<'a> ServiceValue<'a> {
    fn new(now: &'a RunningService) -> Self {
        let service = &now.service;
        let servers = service.servers.iter().map(|(address, server)| {
            let statistics = now.statistics.servers.get(address);
            let statistics = statistics.copied().unwrap_or_default();
            ServerValue {
                address: *address,
                forward: server.forward.name(),
                tunnel: server.forward.tunnel().map(TunnelValue::from),
                weight: server.weight,
                upper_threshold: server.upper_threshold,
                lower_threshold: server.lower_threshold,
                active_connections: statistics.connections.active,
                inactive_connections: statistics.connections.inactive,
                persistent_connections: statistics.connections.persistent,
                totals: Numbers::totals(&statistics.counters),
                rates: Numbers::rates(&statistics.counters),
            }
        });
        ServiceValue {
            address: now.key.to_string(),
            scheduler: &service.scheduler,
            scheduler_flags: service.scheduler_flag_names(),
            persistence: service.persistence.as_ref().map(PersistenceValue::from),
            one_packet: service.one_packet,
            snat: now.full_nat.as_ref().map(|full_nat| full_nat.pool.as_str()),
            client_address: now.full_nat.as_ref().and_then(|its| its.client_address),
            by_rule: now.by_rule,
            sessions: now.sessions,
            totals: Numbers::totals(&now.statistics.counters),
            rates: Numbers::rates(&now.statistics.counters),
            servers: servers.collect(),
        }
    }
}

impl Numbers {
    fn totals(counters: &Counters) -> Self {
        Numbers {
            connections: counters.connections,
            incoming_packets: counters.incoming_packets,
            outgoing_packets: counters.outgoing_packets,
            incoming_bytes: counters.incoming_bytes,
            outgoing_bytes: counters.outgoing_bytes,
        }
    }

    fn rates(counters: &Counters) -> Self {
        Numbers {
            connections: counters.connections_per_second,
            incoming_packets: counters.incoming_packets_per_second,
            outgoing_packets: counters.outgoing_packets_per_second,
            incoming_bytes: counters.incoming_bytes_per_second,
            outgoing_bytes: counters.outgoing_bytes_per_second,
        }
    }
}
