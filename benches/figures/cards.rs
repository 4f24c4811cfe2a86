// SPDX-License-Identifier: GPL-2.0-only
//! The figures between cards, of `make bench-drivers`. That runs on several kernels and is not
//! part of `make bench`, so they are taken from the table in benchmark.md.

use std::error::Error;
use std::fs;

const FILE: &str = "docs/concepts/benchmark.md";
/// The line before the table.
const TABLE: &str = ", virtio-net:\n";
const ROW: &str = "| IPv4 UDP |";

/// The paths in the table with their display names.
pub const PATHS: [(&str, &str); 5] = [
    ("route", "plain routing"),
    ("ipvs_masquerade", "IPVS + conntrack + masquerade"),
    ("nft_flowtable", "nft DNAT + masquerade + flowtable"),
    ("ipvs_bpf_fast", "ipvs-bpf, fast path at tc"),
    ("ipvs_bpf_xdp", "ipvs-bpf, fast path at XDP"),
];

/// The instructions of a small packet of UDP on each path.
pub fn read() -> Result<Vec<f64>, Box<dyn Error>> {
    let text = fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}"))?;
    let table = text.split_once(TABLE).map(|(_, table)| table.trim_start());
    let table = table.ok_or_else(|| format!("{FILE} has no table after {TABLE:?}"))?;
    let mut lines = table.lines();
    let header = lines.next().unwrap_or_default();
    let row = lines.find(|line| line.starts_with(ROW)).unwrap_or_default();
    let cost = |path: &str| {
        let column = cells(header).position(|name| name == format!("`{path}`"))?;
        // The ratio is in brackets.
        let cell = cells(row).nth(column)?.split('(').next()?;
        cell.replace(' ', "").parse().ok()
    };
    let costs =
        PATHS.map(|(path, _)| cost(path).ok_or_else(|| format!("{FILE}: no {path} in {ROW}")));
    Ok(costs.into_iter().collect::<Result<_, _>>()?)
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.split('|').map(str::trim)
}
