// SPDX-License-Identifier: GPL-2.0-only
//! The report on the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};

use crate::goals::Goal;
use crate::native;
use crate::path::Path;
use crate::report::{Per, Report, Row, Subject};

/// The paths that are compared, as columns.
const PATHS: [Path; 9] = [
    Path::TcRedirect,
    Path::Route,
    Path::Ipvs,
    Path::IpvsMasquerade,
    Path::NftMasquerade,
    Path::NftFlowtable,
    Path::IpvsBpf,
    Path::IpvsBpfFast,
    Path::IpvsBpfToa,
];

pub fn print(report: &Report) {
    println!(
        "Instructions, and in brackets the ratio to ipvs_masquerade. Linux {}.\n",
        report.kernel
    );
    println!("{}\n", figures(&report.rows));
    if !report.memory.is_empty() {
        println!("{}\n", memory(report));
    }
    println!("{}", goals(&report.goals));
}

pub fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    let (first, others) = header.split_first().expect("columns");
    let mut cells = vec![Cell::new(first)];
    cells.extend(others.iter().map(right));
    table.set_header(cells);
    table
}

pub fn right(text: impl ToString) -> Cell {
    Cell::new(text.to_string()).set_alignment(CellAlignment::Right)
}

/// The number with thousands separated.
pub fn number(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn figures(rows: &[Row]) -> Table {
    let mut header = vec![""];
    header.extend(PATHS.map(Path::name));
    let mut table = table(&header);
    let mut section = None;
    for rows in rows.chunk_by(|one, other| one.subject == other.subject) {
        let Some(subject) = rows.first().map(|row| &row.subject) else {
            continue;
        };
        if section != Some(per(subject)) {
            section = Some(per(subject));
            table.add_row([Cell::new(per(subject))]);
        }
        let mut cells = vec![Cell::new(format!("  {}", what(subject)))];
        cells.extend(PATHS.map(|path| {
            let row = rows.iter().find(|row| row.path == path);
            right(row.map_or(String::new(), |row| match row.ratio {
                Some(ratio) => format!("{} ({ratio:.3})", number(row.instructions)),
                None => number(row.instructions),
            }))
        }));
        table.add_row(cells);
    }
    table
}

fn per(subject: &Subject) -> &'static str {
    match subject.per {
        Per::Packet if subject.sessions > 1 => "per packet, as sessions and services grow",
        Per::Packet if subject.flows > 1 => "per packet of many flows",
        Per::Packet => "per packet of one flow",
        Per::Session => "per new session",
        Per::Connection => "per short TCP connection",
        Per::SparsePacket => "per packet of flows with one a second each way, all included",
        Per::OthersPacket => "per packet that is none of the services'",
    }
}

fn what(subject: &Subject) -> String {
    let family = subject.family.name();
    let protocol = subject.protocol.name().to_uppercase();
    let direction = subject.direction.name();
    if subject.sessions > 1 {
        return format!(
            "{family}, sessions: {}, services: {}",
            number(subject.sessions.into()),
            number(subject.services.into())
        );
    }
    match subject.per {
        Per::Packet => {
            let verified = if subject.verified { ", verified" } else { "" };
            let size = subject.size;
            format!("{family} {protocol} {direction}, {size} bytes{verified}")
        }
        Per::OthersPacket => format!("{family} {protocol} {direction}"),
        _ => format!("{family} {protocol}"),
    }
}

fn memory(report: &Report) -> Table {
    let mut table = table(&["kernel memory a session", "sessions", "bytes"]);
    for memory in &report.memory {
        let in_use = if memory.in_use { ", in use" } else { "" };
        let what = format!("  {} {}{in_use}", memory.path.name(), memory.family.name());
        table.add_row([
            Cell::new(what),
            right(number(memory.sessions.into())),
            right(number(memory.bytes_a_session as i64)),
        ]);
    }
    table
}

pub fn goals(goals: &[Goal]) -> Table {
    let mut table = table(&["goal", "at most", "original", "reply", "both"]);
    for goal in goals {
        let mut cells = vec![
            Cell::new(format!("  {}", goal.goal)),
            right(figure(goal.at_most, 2)),
        ];
        use crate::flow::Direction::{Original, Reply};
        for direction in [Some(Original), Some(Reply), None] {
            let mut figures = goal.figures.iter();
            let found = figures.find(|figure| figure.direction == direction);
            cells.push(right(found.map_or(String::new(), |found| {
                let verdict = if found.reached {
                    "reached"
                } else {
                    "not reached"
                };
                format!("{} {verdict}", figure(found.value, 3))
            })));
        }
        table.add_row(cells);
    }
    table
}

/// A quotient, or bytes.
fn figure(value: f64, digits: usize) -> String {
    if value < 100.0 {
        format!("{value:.digits$}")
    } else {
        number(value as i64)
    }
}

/// The columns are paths. A cell has nanoseconds, and the ratio with its quartiles.
pub fn print_native(report: &native::Report) {
    println!(
        "Nanoseconds a packet, median of {} rounds, and the ratio to nft_masquerade within a round:\n\
         median and quartiles. Linux {}, {}.\n",
        report.rounds, report.kernel, report.processor
    );
    let paths = &Path::NATIVE[1..];
    let mut header = vec![""];
    header.extend(paths.iter().map(|path| path.name()));
    let mut table = table(&header);
    let subject = |row: &native::Row| (row.family, row.flows, row.direction);
    for rows in report
        .rows
        .chunk_by(|one, other| subject(one) == subject(other))
    {
        let Some(first) = rows.first() else { continue };
        let what = format!(
            "{} {} {}, flows: {}",
            first.family.name(),
            first.protocol.name().to_uppercase(),
            first.direction.name(),
            number(first.flows.into())
        );
        let mut cells = vec![Cell::new(what)];
        cells.extend(paths.iter().map(|path| {
            let row = rows.iter().find(|row| row.path == *path);
            right(row.map_or(String::new(), |row| {
                let ratio = row.ratio;
                format!(
                    "{:.0}  {:.2} ({:.2}–{:.2})",
                    row.nanoseconds.median,
                    ratio.median,
                    ratio.lower_quartile,
                    ratio.upper_quartile
                )
            }))
        }));
        table.add_row(cells);
    }
    println!("{table}");
}
