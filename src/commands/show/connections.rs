// SPDX-License-Identifier: GPL-2.0-only
//! The view `show --connections`.

use serde::Serialize;

use super::super::Error;
use super::flow::FlowFilter;
use super::query::{Look, Query};
use crate::ip_vs_conn::{self, Connection};
use crate::model::Protocol;
use crate::output::grid::{Column, Grid, Row, Value};

#[derive(Serialize)]
struct Document<'a> {
    connections: &'a [Connection],
}

pub(super) fn look(query: &Query) -> Result<Look, Error> {
    let filter = FlowFilter::new(&query.filter)?;
    let keep = |connection: &Connection| {
        filter.takes(protocol(connection), connection.vip, connection.server)
    };
    let connections = ip_vs_conn::connections(keep)?;
    if connections.is_empty() {
        filter.check_names()?;
    }
    query.answer(
        || Document {
            connections: &connections,
        },
        || grid(&connections),
    )
}

/// Returns the protocol of the connection.
/// `None`: the protocol is `ip`, for the template of a firewall mark.
fn protocol(connection: &Connection) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .find(|protocol| protocol.to_string() == connection.protocol)
}

/// Returns the table. The last two columns are present if a connection has a
/// persistence engine.
pub(super) fn grid(connections: &[Connection]) -> Grid {
    let mut columns = vec![
        Column::text("Protocol"),
        Column::number("Expires"),
        Column::text("State"),
        Column::text("Client"),
        Column::text("VIP"),
        Column::text("Server"),
    ];
    let engines = connections
        .iter()
        .any(|connection| connection.persistence_engine.is_some());
    if engines {
        columns.extend([Column::text("Engine"), Column::long_text("Data")]);
    }
    let rows = connections.iter().map(|connection| {
        let protocol = protocol(connection);
        let mut values = vec![
            Value::text(&connection.protocol),
            Value::Time(connection.expires),
            Value::text(&connection.state),
            Value::address(connection.client, protocol),
            Value::address(connection.vip, protocol),
            Value::address(connection.server, protocol),
        ];
        if let Some(engine) = &connection.persistence_engine {
            values.extend([Value::text(&engine.name), Value::text(&engine.data)]);
        }
        Row::new(values)
    });
    Grid::new(columns, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, text};
    use super::*;

    const TABLE: [&str; 3] = [
        "TCP 0A010002 8DBC 0A000001 0050 0A020002 1F90 ESTABLISHED     899",
        "UDP fd000000000000000000000000000002 13C4 fd00:0:0:0:0:0:0:1 13C4 0A020002 13C4 UDP 3605",
        "UDP 0A010002 0000 0A000001 13C4 0A020002 13C4 NONE             60 sip a1@b",
    ];

    fn connections() -> Vec<Connection> {
        TABLE
            .iter()
            .map(|line| line.replace("fd000000000000000000000000000002", "fd00:0:0:0:0:0:0:2"))
            .map(|line| ip_vs_conn::connection(&line).unwrap())
            .collect()
    }

    #[test]
    fn every_field_of_a_connection_is_in_the_table() {
        snapbox::assert_data_eq!(
            text(&grid(&connections())),
            snapbox::str![[r#"
Protocol  Expires  State        Client          VIP             Server         Engine  Data
tcp         14:59  ESTABLISHED  10.1.0.2:36284  10.0.0.1:80     10.2.0.2:8080
udp         60:05  UDP          [fd00::2]:5060  [fd00::1]:5060  10.2.0.2:5060
udp         01:00  NONE         10.1.0.2:0      10.0.0.1:5060   10.2.0.2:5060  sip     a1@b

"#]]
        );
        let plain = text(&grid(&connections()[..1]));
        assert!(!plain.contains("Engine"), "{plain}");
    }

    #[test]
    fn the_json_has_the_documented_shape() {
        let connections = connections();
        let document = Document {
            connections: &connections[1..],
        };
        json("show --connections", &document);
    }
}
