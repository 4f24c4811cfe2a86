// SPDX-License-Identifier: GPL-2.0-only
//! `show --timeouts` and `show --daemon`: settings of the whole network
//! namespace.

use std::net::IpAddr;

use serde::Serialize;

use super::super::Error;
use super::query::{Look, Query};
use crate::director;
use crate::model::{SyncDaemon, SyncDaemons, SyncState, Timeout, Timeouts};
use crate::output::grid::{Column, Grid, Row, Value};

#[derive(Serialize)]
struct TimeoutsDocument {
    timeouts: Option<TimeoutsValue>,
}

/// Timeouts in seconds.
/// Null: the kernel does not have this protocol, or full NAT is not loaded.
#[derive(Serialize)]
struct TimeoutsValue {
    tcp: Option<u32>,
    tcp_fin: Option<u32>,
    udp: Option<u32>,
    tcp_unanswered: Option<u32>,
    udp_unanswered: Option<u32>,
    sctp_unanswered: Option<u32>,
}

pub(super) fn timeouts(query: &Query) -> Result<Look, Error> {
    let timeouts = director::running_timeouts()?;
    query.answer(
        || timeouts_document(timeouts),
        || timeouts_grid(timeouts.unwrap_or_default()),
    )
}

fn timeouts_document(timeouts: Option<Timeouts>) -> TimeoutsDocument {
    TimeoutsDocument {
        timeouts: timeouts.map(|timeouts| TimeoutsValue {
            tcp: timeouts.tcp,
            tcp_fin: timeouts.tcp_fin,
            udp: timeouts.udp,
            tcp_unanswered: timeouts.tcp_unanswered,
            udp_unanswered: timeouts.udp_unanswered,
            sctp_unanswered: timeouts.sctp_unanswered,
        }),
    }
}

/// Returns the table, with the names of the file.
pub(super) fn timeouts_grid(timeouts: Timeouts) -> Grid {
    Grid::new(
        [Column::text("Timeout"), Column::number("Seconds")],
        Timeout::ALL
            .into_iter()
            .filter_map(|timeout| {
                let seconds = Value::Count(timeouts.get(timeout)?.into());
                Some(Row::new([Value::text(timeout), seconds]))
            })
            .collect(),
    )
}

#[derive(Serialize)]
struct DaemonsDocument<'a> {
    daemons: Vec<DaemonValue<'a>>,
}

#[derive(Serialize)]
struct DaemonValue<'a> {
    state: String,
    interface: &'a str,
    id: u8,
    group: IpAddr,
    port: u16,
    ttl: u8,
    sync_maxlen: Option<u16>,
}

pub(super) fn daemon(query: &Query) -> Result<Look, Error> {
    let daemons = director::running_daemons()?;
    query.answer(|| daemons_document(&daemons), || daemons_grid(&daemons))
}

fn running(daemons: &SyncDaemons) -> impl Iterator<Item = (SyncState, &SyncDaemon)> {
    let states = [SyncState::Master, SyncState::Backup].into_iter();
    states.filter_map(|state| Some((state, daemons.get(state)?)))
}

fn daemons_document(daemons: &SyncDaemons) -> DaemonsDocument<'_> {
    let daemons = running(daemons).map(|(state, daemon)| DaemonValue {
        state: state.to_string(),
        interface: &daemon.interface,
        id: daemon.id,
        group: daemon.group,
        port: daemon.port,
        ttl: daemon.ttl,
        sync_maxlen: daemon.sync_maxlen,
    });
    DaemonsDocument {
        daemons: daemons.collect(),
    }
}

pub(super) fn daemons_grid(daemons: &SyncDaemons) -> Grid {
    let rows = running(daemons).map(|(state, daemon)| {
        Row::new([
            Value::text(state),
            Value::text(&daemon.interface),
            Value::Count(daemon.id.into()),
            Value::text(daemon.group),
            Value::Count(daemon.port.into()),
            Value::Count(daemon.ttl.into()),
            daemon
                .sync_maxlen
                .map_or(Value::text("-"), |bytes| Value::Count(bytes.into())),
        ])
    });
    Grid::new(
        [
            Column::text("Daemon"),
            Column::text("Interface"),
            Column::number("Id"),
            Column::text("Group"),
            Column::number("Port"),
            Column::number("TTL"),
            Column::number("Maxlen"),
        ],
        rows.collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{json, text};
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        tcp: Some(900),
        tcp_fin: Some(120),
        udp: Some(300),
        tcp_unanswered: Some(10),
        udp_unanswered: Some(30),
        sctp_unanswered: Some(10),
    };

    fn daemons() -> SyncDaemons {
        let daemon = SyncDaemon {
            interface: "eth2".to_owned(),
            id: 1,
            group: SyncDaemon::GROUP,
            port: SyncDaemon::PORT,
            ttl: SyncDaemon::TTL,
            sync_maxlen: Some(1472),
        };
        SyncDaemons {
            backup: Some(SyncDaemon {
                group: "ff05::1".parse().unwrap(),
                sync_maxlen: None,
                ..daemon.clone()
            }),
            master: Some(daemon),
        }
    }

    #[test]
    fn timeouts_are_named_as_in_the_file() {
        snapbox::assert_data_eq!(
            text(&timeouts_grid(TIMEOUTS)),
            snapbox::str![[r#"
Timeout          Seconds
tcp                  900
tcp_fin              120
udp                  300
tcp_unanswered        10
udp_unanswered        30
sctp_unanswered       10

"#]]
        );
        let none = text(&timeouts_grid(Timeouts::default()));
        assert_eq!(none, "Timeout  Seconds\n");
    }

    #[test]
    fn both_daemons_are_listed() {
        snapbox::assert_data_eq!(
            text(&daemons_grid(&daemons())),
            snapbox::str![[r#"
Daemon  Interface  Id  Group       Port  TTL  Maxlen
master  eth2        1  224.0.0.81  8848    1    1472
backup  eth2        1  ff05::1     8848    1       -

"#]]
        );
    }

    #[test]
    fn the_json_has_the_documented_shape() {
        json("show --timeouts", &timeouts_document(Some(TIMEOUTS)));
        let daemons = SyncDaemons {
            backup: None,
            ..daemons()
        };
        json("show --daemon", &daemons_document(&daemons));
    }
}
