// SPDX-License-Identifier: GPL-2.0-only
//! The query of `show`, and the form of the answer.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::Serialize;

use super::super::Error;
use crate::cli::Show;
use crate::config::argument::near;
use crate::director::{self, RunningService};
use crate::model::ServiceKey;
use crate::output::grid::Grid;

pub(super) struct Query {
    pub kind: Kind,
    pub filter: Filter,
    pub sort: Option<String>,
    pub reverse: bool,
    pub exact: bool,
    pub names: bool,
    pub json: bool,
    /// True if this is one of several looks.
    pub watch: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Services,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    Connections,
    Sessions,
    LocalIps,
    Toa,
    Timeouts,
    Daemon,
    Counters,
}

/// The services and servers to keep. An empty set does not filter.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    pub services: Vec<ServiceKey>,
    pub servers: Vec<SocketAddr>,
}

/// The answer: a table that is not yet text, or a JSON document.
#[derive(Debug)]
pub(super) enum Look {
    Grid(Grid),
    Json(String),
}

impl Query {
    pub fn new(args: &Show, json: bool) -> Self {
        let view = &args.view;
        let kinds = [
            (view.stats, Kind::Stats),
            (view.rate, Kind::Rate),
            (view.thresholds, Kind::Thresholds),
            (view.persistent_conn, Kind::PersistentConn),
            (view.connections, Kind::Connections),
            (view.sessions, Kind::Sessions),
            (view.local_ips, Kind::LocalIps),
            (view.toa, Kind::Toa),
            (view.timeouts, Kind::Timeouts),
            (view.daemon, Kind::Daemon),
            (view.counters, Kind::Counters),
        ];
        let kind = kinds.into_iter().find(|(asked, _)| *asked);
        Query {
            kind: kind.map_or(Kind::Services, |(_, kind)| kind),
            filter: Filter {
                services: args.services.clone(),
                servers: args.servers.clone(),
            },
            sort: args.sort.clone(),
            reverse: args.reverse,
            exact: args.exact,
            names: args.names,
            json,
            watch: args.watch.is_some(),
        }
    }

    /// Returns the answer in the requested form. A table is sorted.
    pub fn answer<J: Serialize>(
        &self,
        json: impl FnOnce() -> J,
        grid: impl FnOnce() -> Grid,
    ) -> Result<Look, Error> {
        if self.json {
            let to_string = if self.watch {
                serde_json::to_string
            } else {
                serde_json::to_string_pretty
            };
            return Ok(Look::Json(
                to_string(&json()).map_err(std::io::Error::from)?,
            ));
        }
        let mut grid = grid();
        if let Some(key) = &self.sort {
            let column = grid.column(key).ok_or_else(|| no_column(key, &grid))?;
            grid.sort(column, self.reverse);
        }
        Ok(Look::Grid(grid))
    }
}

fn no_column(key: &str, grid: &Grid) -> Error {
    let keys: Vec<String> = grid.columns.iter().map(|column| column.key()).collect();
    Error::Usage(format!(
        "--sort: this table has no column `{}`; it has: {}",
        key.escape_debug(),
        keys.join(", ")
    ))
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.servers.is_empty()
    }

    pub fn server(&self, address: &SocketAddr) -> bool {
        self.servers.is_empty() || self.servers.contains(address)
    }

    /// Returns the services that the filter can match, with their servers.
    pub fn running_services(&self) -> Result<Vec<RunningService>, director::Error> {
        if self.services.is_empty() {
            director::running_services()
        } else {
            director::running_services_named(&self.services)
        }
    }

    /// Checks that every service and server of the filter was found, and names
    /// the first one that was not. `all`: returns all existing services.
    pub fn check(
        &self,
        found: &[RunningService],
        all: impl FnOnce() -> Result<BTreeSet<ServiceKey>, director::Error>,
    ) -> Result<(), Error> {
        let is_found = |key: &&ServiceKey| found.iter().any(|now| now.key == **key);
        if let Some(missing) = self.services.iter().find(|key| !is_found(key)) {
            return Err(not_there("service", missing, all()?.iter()));
        }
        let servers = || found.iter().flat_map(|now| now.service.servers.keys());
        let is_found = |server: &&SocketAddr| servers().any(|there| there == *server);
        match self.servers.iter().find(|server| !is_found(server)) {
            Some(missing) => Err(not_there("server", missing, servers())),
            None => Ok(()),
        }
    }
}

fn not_there<'a, T: ToString + 'a>(
    what: &str,
    missing: &T,
    there: impl Iterator<Item = &'a T>,
) -> Error {
    let missing = missing.to_string();
    let mut there: Vec<String> = there.map(T::to_string).collect();
    there.dedup();
    Error::NotThere(format!(
        "there is no {what} {missing}; {}",
        near(&missing, &there)
    ))
}
