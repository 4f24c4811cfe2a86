// SPDX-License-Identifier: GPL-2.0-only
//! What was measured: a table for people, JSON for programs (its schema is in
//! docs/benchmark.md).

use std::fs;
use std::path::Path as FilePath;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use crate::flow::{Direction, Family, Flow, Protocol};
use crate::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    Packet,
    /// The first packet of a flow.
    Session,
    /// A TCP connection from SYN to the last ACK.
    Connection,
}

/// What is measured, whatever the path.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    pub per: Per,
    pub family: Family,
    pub protocol: Protocol,
    pub direction: Direction,
    /// Bytes of a frame, at least.
    pub size: usize,
    /// Whether the checksums were verified before the director looks at them.
    pub verified: bool,
    /// In turn.
    pub flows: u32,
    /// That the director knows.
    pub sessions: u32,
    pub services: u32,
}

impl Subject {
    /// One flow, small frames.
    pub fn of(per: Per, family: Family, protocol: Protocol) -> Self {
        Subject {
            per,
            family,
            protocol,
            direction: Direction::Original,
            size: 64,
            verified: false,
            flows: 1,
            sessions: 1,
            services: 1,
        }
    }

    pub fn flow(&self, number: u32) -> Flow {
        Flow {
            family: self.family,
            protocol: self.protocol,
            number,
        }
    }
}

/// One figure.
#[derive(Debug, Serialize)]
pub struct Row {
    pub path: Path,
    #[serde(flatten)]
    pub subject: Subject,
    /// Without those of the generator.
    pub instructions: i64,
    /// To `ipvs_masquerade`.
    pub ratio: Option<f64>,
}

/// Of kernel objects (slabs).
#[derive(Debug, Default, Serialize)]
pub struct Memory {
    pub sessions: u32,
    pub bytes_a_session: u64,
}

#[derive(Serialize)]
struct Report<'a> {
    kernel: String,
    rows: &'a [Row],
    memory: Memory,
}

pub fn print(rows: &[Row]) {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "Per",
        "Path",
        "Family",
        "Protocol",
        "Direction",
        "Bytes",
        "Verified",
        "Flows",
        "Sessions",
        "Services",
        "Instructions",
        "Ratio",
    ]);
    for row in rows {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let subject = &row.subject;
        table.add_row([
            Cell::new(format!("{:?}", subject.per)),
            Cell::new(row.path.name()),
            Cell::new(format!("{:?}", subject.family)),
            Cell::new(format!("{:?}", subject.protocol)),
            Cell::new(format!("{:?}", subject.direction)),
            right(subject.size.to_string()),
            Cell::new(if subject.verified { "yes" } else { "no" }),
            right(subject.flows.to_string()),
            right(subject.sessions.to_string()),
            right(subject.services.to_string()),
            right(row.instructions.to_string()),
            right(
                row.ratio
                    .map_or("-".to_owned(), |ratio| format!("{ratio:.3}")),
            ),
        ]);
    }
    println!("{table}");
}

pub fn write(rows: &[Row], memory: Memory, file: &FilePath) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let report = Report {
        kernel: release.trim().to_owned(),
        rows,
        memory,
    };
    let json = serde_json::to_string_pretty(&report).expect("JSON");
    fs::write(file, json + "\n").expect("the report can be written");
}
