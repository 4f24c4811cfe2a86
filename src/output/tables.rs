// SPDX-License-Identifier: GPL-2.0-only
//! Tables, close to those of `ipvsadm -Ln`.

use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};

use crate::datapath::Session;
use crate::ipvs_netlink::ServiceStatistics;
use crate::model::{Forward, Server, Service, ServiceKey, State};

/// A table without lines: a header and columns two spaces apart.
fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.iter().map(Cell::new));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn right(text: impl ToString) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

/// Without the blanks that end each line of comfy-table's.
fn render(table: &Table) -> String {
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Services with their servers.
pub fn services(state: &State, statistics: &BTreeMap<ServiceKey, ServiceStatistics>) -> String {
    let mut table = plain(&[
        "Service",
        "Scheduler",
        "Full NAT",
        "Forward",
        "Weight",
        "Active",
        "Inactive",
    ]);
    for (key, service) in &state.services {
        table.add_row([
            Cell::new(key),
            Cell::new(scheduler(service)),
            Cell::new(state.full_nat.get(key).map_or("-", String::as_str)),
        ]);
        for (address, server) in &service.servers {
            let now = statistics
                .get(key)
                .and_then(|service| service.servers.get(address))
                .map(|server| server.connections)
                .unwrap_or_default();
            table.add_row([
                Cell::new(format!("  → {address}")),
                Cell::new(""),
                Cell::new(""),
                Cell::new(forward(server)),
                right(server.weight),
                right(now.active),
                right(now.inactive),
            ]);
        }
    }
    render(&table)
}

fn scheduler(service: &Service) -> String {
    let mut text = service.scheduler.clone();
    for (number, set) in service.scheduler_flags.iter().enumerate() {
        if *set {
            text += &format!(" flag-{}", number + 1);
        }
    }
    if let Some(persistence) = &service.persistence {
        text += &format!(" persistent {}s", persistence.timeout);
    }
    if service.one_packet {
        text += " ops";
    }
    text
}

pub(super) fn forward(server: &Server) -> &'static str {
    match server.forward {
        Forward::Masq => "masq",
        Forward::Route => "route",
        Forward::Tunnel(_) => "tunnel",
        Forward::Local => "local",
    }
}

/// Sessions, one a row.
pub fn sessions(sessions: &[Session]) -> String {
    let mut table = plain(&["Protocol", "Client", "VIP", "Local IP", "Server"]);
    for session in sessions {
        table.add_row([
            Cell::new(session.protocol),
            Cell::new(session.client),
            Cell::new(session.vip),
            Cell::new(session.local_ip),
            Cell::new(session.server),
        ]);
    }
    render(&table)
}
