// SPDX-License-Identifier: GPL-2.0-only
//! The results, and target/bench/report.json, which has them in machine-readable form
//! (its schema is in docs/concepts/benchmark.md).

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
    /// A packet of flows that have one each second in each direction, including all other
    /// work that the kernel does to keep them.
    SparsePacket,
    /// A forwarded packet that does not belong to any service of the director.
    OthersPacket,
}

/// The thing that is measured, independent of the path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Subject {
    pub per: Per,
    pub family: Family,
    pub protocol: Protocol,
    pub direction: Direction,
    /// The minimum number of bytes in a frame.
    pub size: usize,
    /// True if the checksums were verified before the director sees them.
    pub verified: bool,
    /// The number of flows, used in turn.
    pub flows: u32,
    /// The number of sessions that the director knows.
    pub sessions: u32,
    pub services: u32,
}

/// The minimum size of small frames, which have no data.
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

/// The figure of one path.
#[derive(Debug, Serialize)]
pub struct Row {
    pub path: Path,
    #[serde(flatten)]
    pub subject: Subject,
    /// The instructions without those of the generator.
    pub instructions: i64,
    /// The ratio to `ipvs_masquerade`.
    pub ratio: Option<f64>,
}

/// The memory of kernel objects (slabs).
#[derive(Debug, Serialize)]
pub struct Memory {
    pub path: Path,
    pub family: Family,
    /// The number of sessions that were opened.
    pub sessions: u32,
    /// True if each session has sent more than one packet in each direction, so that it
    /// has all that a fast path gives it.
    pub in_use: bool,
    pub bytes_a_session: u64,
}

#[derive(Serialize)]
pub struct Report {
    pub kernel: String,
    /// True if the run was completed.
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

/// The release of the kernel.
pub fn release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// Replaces the file atomically: it has either the old report or this one.
pub fn write(report: &impl Serialize, name: &str) {
    let json = serde_json::to_string_pretty(report).expect("JSON");
    let folder = "target/bench";
    let (file, new) = (format!("{folder}/{name}"), format!("{folder}/{name}.new"));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&new, json + "\n"))
        .and_then(|()| fs::rename(&new, &file))
        .unwrap_or_else(|error| panic!("{file}: {error}"));
}
