// SPDX-License-Identifier: GPL-2.0-only
//! The columns of a view, by their `--sort` names.

use super::query::{Kind, Query};
use super::{connections, counters, local_ips, services, sessions, settings, toa};
use crate::cli::Show;
use crate::output::grid::Column;

/// Columns of persistence engines are excluded. They exist only if a connection has an
/// engine.
pub fn columns(args: &Show) -> Vec<String> {
    let query = Query::new(args, false);
    let grid = match query.kind {
        Kind::Services | Kind::Stats | Kind::Rate | Kind::Thresholds | Kind::PersistentConn => {
            services::grid(&[], &query)
        }
        Kind::Connections => connections::grid(&[]),
        Kind::Sessions => sessions::grid(&[]),
        Kind::LocalIps => local_ips::grid(&[]),
        Kind::Toa => toa::grid(&[]),
        Kind::Timeouts => settings::timeouts_grid(Default::default()),
        Kind::Daemon => settings::daemons_grid(&Default::default()),
        Kind::Counters => counters::grid(&[]),
    };
    grid.columns.iter().map(Column::key).collect()
}
