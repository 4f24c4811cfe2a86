// SPDX-License-Identifier: GPL-2.0-only
//! What was measured: a table for people, JSON for programs.

use std::fs;
use std::path::Path as FilePath;

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, Table};
use serde::Serialize;

use crate::flow::{Direction, Family, Protocol};
use crate::path::Path;

/// One figure. The schema is described in `docs/benchmark.md`.
#[derive(Debug, Serialize)]
pub struct Row {
    pub what: &'static str,
    pub path: Path,
    pub family: Family,
    pub protocol: Protocol,
    pub direction: Direction,
    pub size: usize,
    pub flows: u32,
    pub instructions: f64,
    /// To `ipvs_masquerade`.
    pub ratio: Option<f64>,
}

#[derive(Serialize)]
struct Report<'a> {
    kernel: String,
    rows: &'a [Row],
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
        "Flows",
        "Instructions",
        "Ratio",
    ]);
    for row in rows {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(row.what),
            Cell::new(row.path.name()),
            Cell::new(format!("{:?}", row.family)),
            Cell::new(format!("{:?}", row.protocol)),
            Cell::new(format!("{:?}", row.direction)),
            right(row.size.to_string()),
            right(row.flows.to_string()),
            right(row.instructions.to_string()),
            right(
                row.ratio
                    .map_or("-".to_owned(), |ratio| format!("{ratio:.2}")),
            ),
        ]);
    }
    println!("{table}");
}

pub fn write(rows: &[Row], file: &FilePath) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let report = Report {
        kernel: release.trim().to_owned(),
        rows,
    };
    let json = serde_json::to_string_pretty(&report).expect("JSON");
    fs::write(file, json + "\n").expect("the report can be written");
}
