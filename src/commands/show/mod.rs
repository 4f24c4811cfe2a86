// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf show`: one file for each view of the running state, and one for
//! repeated views.

mod columns;
mod connections;
mod counters;
mod flow;
mod live;
mod local_ips;
mod query;
mod resolver;
mod services;
mod services_json;
mod sessions;
mod settings;
mod toa;
mod watch;

use std::process::ExitCode;

use super::{Error, warnings};
use crate::cli::{Global, Show};
use crate::output;
use crate::output::grid::Grid;
use crate::output::table::{self, Style};
pub(super) use columns::columns;
use query::{Kind, Look, Query};
use resolver::Resolver;
use services::Before;

pub(super) fn run(args: &Show, global: &Global) -> Result<ExitCode, Error> {
    let query = Query::new(args, global.json);
    if matches!(query.kind, Kind::Counters) {
        warnings::warn_of_lost_pins();
    }
    match args.watch {
        Some(interval) => watch::run(&query, interval)?,
        None => output::print(text(&query, look(&query, &mut None)?, &mut Resolver::new()))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the data of the query. Rates are relative to the previous look, if
/// there was one.
fn look(query: &Query, before: &mut Option<Before>) -> Result<Look, Error> {
    match query.kind {
        Kind::Services | Kind::Stats | Kind::Rate | Kind::Thresholds | Kind::PersistentConn => {
            services::look(query, before)
        }
        Kind::Connections => connections::look(query),
        Kind::Sessions => sessions::look(query),
        Kind::LocalIps => local_ips::look(query),
        Kind::Toa => toa::look(query),
        Kind::Timeouts => settings::timeouts(query),
        Kind::Daemon => settings::daemon(query),
        Kind::Counters => counters::look(query),
    }
}

fn text(query: &Query, look: Look, resolver: &mut Resolver) -> String {
    match look {
        Look::Json(text) => text,
        Look::Grid(grid) => {
            let style = style(query, &grid, resolver);
            match output::width() {
                Some(width) => within(&grid, style, width),
                None => table::lines(&grid, style).join("\n"),
            }
        }
    }
}

/// Formats the table for a width. An extra line names the columns that do not
/// fit.
fn within(grid: &Grid, style: Style, width: u16) -> String {
    let mut fitted = table::lines_within(grid, style, width, 0);
    if !fitted.hidden.is_empty() {
        let hidden = format!("not shown: {}", fitted.hidden.join(", "));
        fitted.lines.push(table::cut(hidden, width));
    }
    fitted.lines.join("\n")
}

fn style<'a>(query: &Query, grid: &Grid, resolver: &'a mut Resolver) -> Style<'a> {
    if query.names {
        resolver.resolve(grid);
    }
    Style {
        exact: query.exact,
        names: resolver.names(),
    }
}

#[cfg(test)]
mod tests;
