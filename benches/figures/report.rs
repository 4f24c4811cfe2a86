// SPDX-License-Identifier: GPL-2.0-only
//! The parts of the report that are shown.

use std::error::Error;
use std::fs;

use serde::Deserialize;

const FILE: &str = "target/bench/report.json";

#[derive(Deserialize)]
pub struct Report {
    pub kernel: String,
    complete: bool,
    rows: Vec<Row>,
    memory: Vec<Memory>,
}

#[derive(Deserialize)]
struct Row {
    path: String,
    per: String,
    family: String,
    protocol: String,
    size: u32,
    verified: bool,
    flows: u32,
    sessions: u32,
    services: u32,
    instructions: f64,
}

#[derive(Deserialize)]
struct Memory {
    path: String,
    family: String,
    sessions: u32,
    in_use: bool,
    bytes_a_session: u32,
}

/// The display name of each path.
pub const PATHS: [(&str, &str); 8] = [
    ("tc_redirect", "eBPF redirect alone"),
    ("route", "plain routing"),
    ("ipvs", "IPVS, no source NAT"),
    ("ipvs_masquerade", "IPVS + conntrack + masquerade"),
    ("nft_masquerade", "nft DNAT + masquerade"),
    ("nft_flowtable", "nft DNAT + masquerade + flowtable"),
    ("ipvs_bpf", "ipvs-bpf, classic path"),
    ("ipvs_bpf_fast", "ipvs-bpf, fast path"),
];

/// The path that all others are compared with.
pub const WHOLE: &str = "ipvs_masquerade";

/// The minimum number of bytes in a small frame.
const SMALL: u32 = 64;

/// Selects rows of small packets with unverified checksums.
#[derive(Clone, Copy)]
pub struct Choice {
    pub per: &'static str,
    pub family: &'static str,
    /// The protocol of the packets.
    pub protocol: &'static str,
    pub flows: u32,
    pub sessions: u32,
}

impl Choice {
    pub const fn of(per: &'static str, family: &'static str) -> Self {
        Choice {
            per,
            family,
            protocol: "udp",
            flows: 1,
            sessions: 1,
        }
    }

    fn has(&self, row: &Row) -> bool {
        let same = row.per == self.per
            && row.family == self.family
            && row.sessions == self.sessions
            && row.services == 1
            && !row.verified;
        match self.per {
            // The other kinds have only one row.
            "packet" => {
                let small = row.size == SMALL;
                same && small && row.protocol == self.protocol && row.flows == self.flows
            }
            _ => same,
        }
    }
}

impl Report {
    /// The mean of both directions, if there are two.
    pub fn cost(&self, choice: Choice, path: &str) -> Option<f64> {
        let rows = self.rows.iter().filter(|row| row.path == path);
        let costs: Vec<f64> = rows
            .filter(|row| choice.has(row))
            .map(|row| row.instructions)
            .collect();
        (!costs.is_empty()).then(|| costs.iter().sum::<f64>() / costs.len() as f64)
    }

    /// The bytes of a session that is in use or was just opened. If only one of the two
    /// was measured, because they take the same, returns that one.
    pub fn memory(&self, family: &str, sessions: u32, in_use: bool, path: &str) -> Option<u32> {
        let of_path = |memory: &&Memory| {
            memory.path == path && memory.family == family && memory.sessions == sessions
        };
        let all: Vec<_> = self.memory.iter().filter(of_path).collect();
        let wanted = all.iter().find(|memory| memory.in_use == in_use);
        wanted.or(all.first()).map(|memory| memory.bytes_a_session)
    }
}

pub fn read() -> Result<Report, Box<dyn Error>> {
    let text =
        fs::read_to_string(FILE).map_err(|error| format!("{FILE}: {error}; run `make bench`"))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    if !report.complete {
        return Err(format!("{FILE} is of a run that was ended; run `make bench`").into());
    }
    Ok(report)
}

/// The number with thousands separated.
pub fn number(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}
