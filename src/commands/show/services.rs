// SPDX-License-Identifier: GPL-2.0-only
//! Tables of services and servers: their settings, their totals, their current
//! rates.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::super::Error;
use super::query::{Filter, Kind, Look, Query};
use super::services_json::Document;
use crate::director::{self, RunningService};
use crate::ipvs_netlink::{Counters, ServerStatistics, ServiceStatistics};
use crate::model::{Forward, FullNat, Server, Service, ServiceKey, Tunnel, TunnelChecksum};
use crate::output::grid::{Column, Grid, Row, Value};

/// The statistics of the previous look.
pub(super) struct Before {
    at: Instant,
    statistics: BTreeMap<ServiceKey, ServiceStatistics>,
}

pub(super) fn look(query: &Query, before: &mut Option<Before>) -> Result<Look, Error> {
    let mut services = query.filter.running_services()?;
    if query.watch {
        let now = Instant::now();
        let statistics = services
            .iter()
            .map(|service| (service.key.clone(), service.statistics.clone()))
            .collect();
        if let Some(before) = before {
            between(before, &mut services, now - before.at);
        }
        *before = Some(Before {
            at: now,
            statistics,
        });
    }
    filtered(&mut services, &query.filter, director::running_service_keys)?;
    // Tables need no more data.
    if !query.json {
        return query.answer(|| (), || grid(&services, query));
    }
    let data_plane = director::running_data_plane()?;
    query.answer(
        || Document::new(&services, &data_plane),
        || grid(&services, query),
    )
}

/// `services`: the services that the filter names, or all services.
fn filtered(
    services: &mut Vec<RunningService>,
    filter: &Filter,
    all: impl FnOnce() -> Result<BTreeSet<ServiceKey>, director::Error>,
) -> Result<(), Error> {
    filter.check(services, all)?;
    if !filter.servers.is_empty() {
        for service in services.iter_mut() {
            let servers = &mut service.service.servers;
            servers.retain(|address, _| filter.server(address));
        }
        services.retain(|service| !service.service.servers.is_empty());
    }
    Ok(())
}

/// Replaces the kernel's estimated rates by the rates since the previous look.
/// New objects keep the estimate.
fn between(before: &Before, services: &mut [RunningService], elapsed: Duration) {
    for service in services {
        let Some(old) = before.statistics.get(&service.key) else {
            continue;
        };
        rates(&old.counters, &mut service.statistics.counters, elapsed);
        for (address, server) in &mut service.statistics.servers {
            if let Some(old) = old.servers.get(address) {
                rates(&old.counters, &mut server.counters, elapsed);
            }
        }
    }
}

fn rates(old: &Counters, new: &mut Counters, elapsed: Duration) {
    let rate = |old: u64, new: u64| {
        // The counter was reset in between, or the object was added again.
        let done = new.checked_sub(old).unwrap_or(new);
        let milliseconds = elapsed.as_millis().max(1);
        u64::try_from(u128::from(done) * 1000 / milliseconds).unwrap_or(u64::MAX)
    };
    new.connections_per_second = rate(old.connections, new.connections);
    new.incoming_packets_per_second = rate(old.incoming_packets, new.incoming_packets);
    new.outgoing_packets_per_second = rate(old.outgoing_packets, new.outgoing_packets);
    new.incoming_bytes_per_second = rate(old.incoming_bytes, new.incoming_bytes);
    new.outgoing_bytes_per_second = rate(old.outgoing_bytes, new.outgoing_bytes);
}

/// A column: its header, and its values for a service and a server.
type Filled = (
    Column,
    fn(&RunningService) -> Value,
    fn(&Server, &ServerStatistics) -> Value,
);

pub(super) fn grid(services: &[RunningService], query: &Query) -> Grid {
    let columns = match query.kind {
        Kind::Stats => totals(),
        Kind::Rate => per_second(),
        Kind::Thresholds => thresholds(),
        Kind::PersistentConn => persistent_connections(),
        _ if query.watch => live(),
        _ => configuration(),
    };
    let rows = services.iter().map(|now| row(now, &columns)).collect();
    let mut header = vec![Column::text("Service")];
    header.extend(columns.iter().map(|(column, ..)| *column));
    Grid::new(header, rows)
}

fn row(now: &RunningService, columns: &[Filled]) -> Row {
    let mut values = vec![Value::Service(now.key.clone())];
    values.extend(columns.iter().map(|(_, of_service, _)| of_service(now)));
    let protocol = match now.key {
        ServiceKey::Address { protocol, .. } => Some(protocol),
        ServiceKey::Fwmark { .. } => None,
    };
    let servers = now.service.servers.iter().map(|(address, server)| {
        let statistics = now.statistics.servers.get(address);
        let statistics = statistics.copied().unwrap_or_default();
        let mut values = vec![Value::address(*address, protocol)];
        values.extend(
            columns
                .iter()
                .map(|(_, _, of_server)| of_server(server, &statistics)),
        );
        values
    });
    Row {
        values,
        servers: servers.collect(),
        note: None,
    }
}

fn nothing(_: &RunningService) -> Value {
    Value::Empty
}

fn configuration() -> Vec<Filled> {
    let mut columns: Vec<Filled> = vec![
        (
            Column::long_text("Scheduler"),
            |now| Value::Text(scheduler(&now.service)),
            |_, _| Value::Empty,
        ),
        full_nat(),
        (Column::long_text("Forward"), nothing, |server, _| {
            Value::Text(forward(&server.forward))
        }),
        weight(),
    ];
    columns.extend(connections());
    columns
}

/// The columns that fit a terminal and change often.
fn live() -> Vec<Filled> {
    let mut columns = vec![full_nat(), sessions(), weight()];
    columns.extend(connections());
    columns.extend(per_second());
    columns
}

fn full_nat() -> Filled {
    (
        Column::long_text("Full NAT"),
        |now| match &now.full_nat {
            Some(full_nat) => Value::Text(full_nat_text(full_nat, now.by_rule)),
            None => Value::text("-"),
        },
        |_, _| Value::Empty,
    )
}

/// Returns "default" or "default toa (by rule)".
fn full_nat_text(full_nat: &FullNat, by_rule: bool) -> String {
    let mut words = full_nat.pool.clone();
    if let Some(way) = full_nat.client_address {
        words += &format!(" {way}");
    }
    if by_rule {
        words += " (by rule)";
    }
    words
}

fn sessions() -> Filled {
    (
        Column::number("Sessions"),
        |now| {
            let sessions = now.sessions.map(u64::from);
            sessions.map_or(Value::Text("-".to_owned()), Value::Count)
        },
        |_, _| Value::Empty,
    )
}

fn weight() -> Filled {
    (Column::number("Weight"), nothing, |server, _| {
        Value::Count(server.weight.into())
    })
}

fn connections() -> [Filled; 2] {
    [
        (Column::number("ActiveConn"), nothing, |_, now| {
            Value::Count(now.connections.active.into())
        }),
        (Column::number("InActConn"), nothing, |_, now| {
            Value::Count(now.connections.inactive.into())
        }),
    ]
}

fn thresholds() -> Vec<Filled> {
    let mut columns: Vec<Filled> = vec![
        (Column::number("Uthreshold"), nothing, |server, _| {
            Value::Count(server.upper_threshold.into())
        }),
        (Column::number("Lthreshold"), nothing, |server, _| {
            Value::Count(server.lower_threshold.into())
        }),
    ];
    columns.extend(connections());
    columns
}

fn persistent_connections() -> Vec<Filled> {
    let mut columns: Vec<Filled> = vec![
        weight(),
        (Column::number("PersistConn"), nothing, |_, now| {
            Value::Count(now.connections.persistent.into())
        }),
    ];
    columns.extend(connections());
    columns
}

/// Makes a column for one of the [`Counters`].
macro_rules! counter {
    ($name:literal, $field:ident) => {
        (
            Column::number($name),
            |now| Value::Large(now.statistics.counters.$field),
            |_, now| Value::Large(now.counters.$field),
        )
    };
}

fn totals() -> Vec<Filled> {
    vec![
        counter!("Conns", connections),
        counter!("InPkts", incoming_packets),
        counter!("OutPkts", outgoing_packets),
        counter!("InBytes", incoming_bytes),
        counter!("OutBytes", outgoing_bytes),
    ]
}

fn per_second() -> Vec<Filled> {
    vec![
        counter!("CPS", connections_per_second),
        counter!("InPPS", incoming_packets_per_second),
        counter!("OutPPS", outgoing_packets_per_second),
        counter!("InBPS", incoming_bytes_per_second),
        counter!("OutBPS", outgoing_bytes_per_second),
    ]
}

fn scheduler(service: &Service) -> String {
    let mut text = service.scheduler.clone();
    for name in service.scheduler_flag_names() {
        text += &format!(" {name}");
    }
    if let Some(persistence) = &service.persistence {
        text += &format!(" persistent {}", persistence.timeout);
        if let Some(engine) = &persistence.engine {
            text += &format!(" pe {engine}");
        }
    }
    if service.one_packet {
        text += " ops";
    }
    text
}

fn forward(forward: &Forward) -> String {
    let checksum = |checksum: &TunnelChecksum| match checksum {
        TunnelChecksum::None => "",
        TunnelChecksum::Full => " csum",
        TunnelChecksum::Remote => " remcsum",
    };
    match forward {
        Forward::Masq => "masq".to_owned(),
        Forward::Route => "route".to_owned(),
        Forward::Local => "local".to_owned(),
        Forward::Tunnel(Tunnel::Ipip) => "tunnel".to_owned(),
        Forward::Tunnel(Tunnel::Gue { port, checksum: c }) => {
            format!("tunnel gue {port}{}", checksum(c))
        }
        Forward::Tunnel(Tunnel::Gre { checksum: c }) => format!("tunnel gre{}", checksum(c)),
    }
}

#[cfg(test)]
mod tests;
