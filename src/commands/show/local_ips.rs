// SPDX-License-Identifier: GPL-2.0-only
//! `show --local-ips`: how much of each local IP is in use. A port serves one
//! session with each server, so what counts is the server that has most.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::super::Error;
use super::query::{Look, Query};
use crate::datapath::{self, Session};
use crate::director;
use crate::kmod::proc::LocalIpLine;
use crate::model::{PortRange, Protocol};
use crate::output::grid::{Column, Grid, Row, Value};

#[derive(Serialize)]
struct Document<'a> {
    local_ips: &'a [LocalIpNow],
}

#[derive(Debug, Serialize)]
struct LocalIpNow {
    pool: String,
    address: IpAddr,
    first_port: u16,
    last_port: u16,
    sessions: u32,
    ports: u32,
    busiest_server: Option<Busiest>,
}

/// The server with which a local IP has most sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
struct Busiest {
    protocol: Protocol,
    server: SocketAddr,
    sessions: u32,
}

pub(super) fn look(query: &Query) -> Result<Look, Error> {
    let lines = director::data_plane_now()?.local_ips;
    let sessions = if lines.is_empty() {
        Vec::new()
    } else {
        datapath::sessions().map_err(director::Error::from)?
    };
    let local_ips = join(lines, &sessions);
    query.answer(
        || Document {
            local_ips: &local_ips,
        },
        || grid(&local_ips),
    )
}

fn join(lines: Vec<LocalIpLine>, sessions: &[Session]) -> Vec<LocalIpNow> {
    let mut counts: HashMap<(IpAddr, Protocol, SocketAddr), u32> = HashMap::new();
    for session in sessions {
        let of = (session.local_ip.ip(), session.protocol, session.server);
        *counts.entry(of).or_default() += 1;
    }
    let mut busiest: HashMap<IpAddr, Busiest> = HashMap::new();
    for ((local_ip, protocol, server), sessions) in counts {
        let this = Busiest {
            protocol,
            server,
            sessions,
        };
        let rank = |of: &Busiest| (of.sessions, of.server, of.protocol);
        let most = busiest.entry(local_ip).or_insert(this);
        if rank(&this) > rank(most) {
            *most = this;
        }
    }
    lines
        .into_iter()
        .map(|line| LocalIpNow {
            busiest_server: busiest.get(&line.local_ip.address).copied(),
            pool: line.local_ip.pool,
            address: line.local_ip.address,
            first_port: line.ports.first,
            last_port: line.ports.last,
            sessions: line.sessions,
            ports: ports(line.ports),
        })
        .collect()
}

fn ports(range: PortRange) -> u32 {
    u32::from(range.last).saturating_sub(range.first.into()) + 1
}

fn grid(local_ips: &[LocalIpNow]) -> Grid {
    let rows = local_ips.iter().map(|now| {
        let most = now.busiest_server.map_or(0, |busiest| busiest.sessions);
        Row::new([
            Value::text(&now.pool),
            // Its port is none of its own, so it is no socket's address.
            Value::text(now.address),
            Value::Text(format!("{}-{}", now.first_port, now.last_port)),
            Value::Count(now.sessions.into()),
            Value::PerMille(u64::from(most) * 1000 / u64::from(now.ports.max(1))),
            match now.busiest_server {
                Some(busiest) => Value::address(busiest.server, Some(busiest.protocol)),
                None => Value::text("-"),
            },
        ])
    });
    Grid::new(
        [
            Column::text("Pool"),
            Column::text("Local IP"),
            Column::text("Ports"),
            Column::number("Sessions"),
            Column::number("Ports used"),
            Column::text("Towards"),
        ],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, text};
    use super::*;
    use crate::model::LocalIp;

    fn line(address: &str, sessions: u32) -> LocalIpLine {
        LocalIpLine {
            local_ip: LocalIp {
                pool: "default".to_owned(),
                address: address.parse().unwrap(),
            },
            ports: PortRange {
                first: 1001,
                last: 2000,
            },
            sessions,
        }
    }

    fn session(port: u16, server: &str) -> Session {
        Session {
            protocol: Protocol::Tcp,
            client: SocketAddr::new([10, 1, 0, 2].into(), port),
            vip: "10.0.0.1:80".parse().unwrap(),
            local_ip: SocketAddr::new([10, 2, 0, 100].into(), port),
            server: server.parse().unwrap(),
        }
    }

    fn local_ips() -> Vec<LocalIpNow> {
        let sessions: Vec<Session> = (1001..1013)
            .map(|port| session(port, "10.2.0.3:8080"))
            .chain([session(1001, "10.2.0.2:8080")])
            .collect();
        join(
            vec![line("10.2.0.100", 13), line("fd00:2::100", 0)],
            &sessions,
        )
    }

    #[test]
    fn utilisation_is_that_of_the_busiest_server() {
        snapbox::assert_data_eq!(
            text(&grid(&local_ips())),
            snapbox::str![[r#"
Pool     Local IP     Ports      Sessions  Ports used  Towards
default  10.2.0.100   1001-2000        13        1.2%  10.2.0.3:8080
default  fd00:2::100  1001-2000         0        0.0%  -

"#]]
        );
    }

    #[test]
    fn a_range_counts_both_its_ends() {
        let ports = |first, last| ports(PortRange { first, last });
        assert_eq!(ports(1, 65_535), 65_535);
        assert_eq!(ports(4000, 4000), 1);
    }

    #[test]
    fn the_json_has_the_documented_shape() {
        let document = Document {
            local_ips: &local_ips()[..1],
        };
        json("show --local-ips", &document);
    }
}
