// SPDX-License-Identifier: GPL-2.0-only
//! `show --local-ips`: the usage of each local IP.

use serde::Serialize;

use super::super::Error;
use super::query::{Look, Query};
use crate::director::{self, RunningLocalIp};
use crate::output::grid::{Column, Grid, Row, Value};

#[derive(Serialize)]
struct Document<'a> {
    local_ips: &'a [RunningLocalIp],
}

pub(super) fn look(query: &Query) -> Result<Look, Error> {
    let local_ips = director::running_local_ips()?;
    query.answer(
        || Document {
            local_ips: &local_ips,
        },
        || grid(&local_ips),
    )
}

pub(super) fn grid(local_ips: &[RunningLocalIp]) -> Grid {
    let rows = local_ips.iter().map(|now| {
        Row::new([
            Value::text(&now.pool),
            // The address has no port here, so it is not a socket address.
            Value::text(now.address),
            Value::Text(format!("{}-{}", now.first_port, now.last_port)),
            Value::Count(now.ports.into()),
            Value::Count(now.sessions.into()),
            Value::PerMille(now.per_mille_used()),
            match now.busiest_server {
                Some(busiest) => Value::address(busiest.server, Some(busiest.protocol)),
                None => Value::text("-"),
            },
        ])
    });
    Grid::new(
        [
            Column::long_text("Pool"),
            Column::text("Local IP"),
            Column::text("Ports"),
            Column::number("Usable"),
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
    use std::net::SocketAddr;

    use super::*;
    use crate::director::{HostPorts, UsablePorts, UsedPorts, utilisation};
    use crate::kmod::proc::LocalIpLine;
    use crate::kmod::{Directions, Session};
    use crate::model::{LocalIp, PortRange, Protocol};

    fn line(address: &str, sessions: u32) -> LocalIpLine {
        LocalIpLine {
            local_ip: LocalIp {
                pool: "default".to_owned(),
                address: address.parse().unwrap(),
            },
            ports: PortRange {
                first: 1001,
                last: 3000,
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
            fast_path: Directions::None,
            xdp: Directions::None,
        }
    }

    fn local_ips() -> Vec<RunningLocalIp> {
        let mut used = UsedPorts::default();
        for port in 1001..1013 {
            used.count(&session(port, "10.2.0.3:8080"));
        }
        used.count(&session(1001, "10.2.0.2:8080"));
        let host = HostPorts::from_text("2001 60999", "").unwrap();
        let usable = UsablePorts::of(host, &["10.2.0.100"], &[]);
        let lines = vec![line("10.2.0.100", 13), line("fd00:2::100", 0)];
        utilisation(lines, used, &usable)
    }

    #[test]
    fn utilisation_is_that_of_the_busiest_server() {
        snapbox::assert_data_eq!(
            text(&grid(&local_ips())),
            snapbox::str![[r#"
Pool     Local IP     Ports      Usable  Sessions  Ports used  Towards
default  10.2.0.100   1001-3000    1000        13        1.2%  10.2.0.3:8080
default  fd00:2::100  1001-3000    2000         0        0.0%  -

"#]]
        );
    }

    #[test]
    fn the_json_has_the_documented_shape() {
        let document = Document {
            local_ips: &local_ips()[..1],
        };
        json("show --local-ips", &document);
    }
}
