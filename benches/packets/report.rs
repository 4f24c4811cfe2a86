// SPDX-License-Identifier: GPL-2.0-only
//! What was measured, and target/bench/report.json, which has it for programs
//! (its schema is in docs/benchmark.md).

use std::fs;

use serde::Serialize;

use crate::flow::{Direction, Family, Flow, Protocol};
use crate::goals::{Goal, goals};
use crate::parts::Findings;
use crate::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    Packet,
    /// The first packet of a flow.
    Session,
    /// A TCP connection from SYN to the last ACK.
    Connection,
    /// A packet of flows that have one a second each way, and whatever the kernel does
    /// beside packets to keep them.
    SparsePacket,
    /// A packet that the director forwards and that is none of its services'.
    OthersPacket,
}

/// What is measured, whatever the path.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

/// Of small frames: as few bytes as there are without data, at least so many.
pub const SMALL: usize = 64;

impl Subject {
    /// One flow, small frames.
    pub fn of(per: Per, family: Family, protocol: Protocol) -> Self {
        Subject {
            per,
            family,
            protocol,
            direction: Direction::Original,
            size: SMALL,
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
#[derive(Debug, Serialize)]
pub struct Memory {
    pub path: Path,
    pub family: Family,
    /// So many were opened.
    pub sessions: u32,
    /// True if each has sent more than a packet each way, so that it has what a fast
    /// path gives it.
    pub in_use: bool,
    pub bytes_a_session: u64,
}

#[derive(Serialize)]
pub struct Report {
    pub kernel: String,
    /// Whether the run came to its end.
    pub complete: bool,
    pub rows: Vec<Row>,
    pub memory: Vec<Memory>,
    pub goals: Vec<Goal>,
}

impl Report {
    pub fn new() -> Self {
        Report {
            kernel: release(),
            complete: false,
            rows: Vec::new(),
            memory: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub fn add(&mut self, findings: Findings, complete: bool) {
        self.rows.extend(findings.rows);
        self.memory.extend(findings.memory);
        self.goals = goals(&self.kernel, &self.rows, &self.memory);
        self.complete = complete;
    }
}

/// Of the kernel.
pub fn release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// What was there is there whole, or this is.
pub fn write(report: &impl Serialize, name: &str) {
    let json = serde_json::to_string_pretty(report).expect("JSON");
    let folder = "target/bench";
    let (file, new) = (format!("{folder}/{name}"), format!("{folder}/{name}.new"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&new, json + "\n"))
        .and_then(|()| fs::rename(&new, &file))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
}
