// SPDX-License-Identifier: GPL-2.0-only
//! target/bench/drivers.json: the last run between cards of each model on each kernel
//! (its schema is in docs/concepts/benchmark.md).

use std::fs;

use serde::Serialize;
use serde_json::{Value, json};

use super::cards::BURST;
use super::goals::goals;
use crate::flow::{Direction, Family, Protocol};
use crate::goals::Goal;
use crate::path::Path;
use crate::report::{self, Per, Subject, release};

#[derive(Debug, Serialize)]
pub struct Row {
    pub path: Path,
    pub per: Per,
    pub family: Family,
    pub protocol: Protocol,
    pub direction: Direction,
    /// The minimum number of bytes in a frame.
    pub size: usize,
    pub flows: u32,
    /// True if client and server are behind one card.
    pub one_armed: bool,
    /// All that the machine executes for a frame.
    pub instructions: i64,
}

impl Row {
    pub fn new(path: Path, one_armed: bool, subject: &Subject, instructions: f64) -> Self {
        Row {
            path,
            per: subject.per,
            family: subject.family,
            protocol: subject.protocol,
            direction: subject.direction,
            size: subject.size,
            flows: subject.flows,
            one_armed,
            instructions: instructions.round() as i64,
        }
    }
}

#[derive(Serialize)]
pub struct Run {
    pub kernel: String,
    /// QEMU's name of the card.
    pub card: String,
    /// The number of frames that come at once.
    pub burst: usize,
    pub rows: Vec<Row>,
    pub goals: Vec<Goal>,
}

impl Run {
    pub fn of(card: &str) -> Self {
        Run {
            kernel: release(),
            card: card.to_owned(),
            burst: BURST,
            rows: Vec::new(),
            goals: Vec::new(),
        }
    }

    pub fn finish(&mut self) {
        self.goals = goals(&self.card, &self.rows);
    }
}

/// Replaces the run of the same card and kernel in the report.
pub fn write(run: &Run) {
    let old = fs::read("target/bench/drivers.json").unwrap_or_default();
    let old: Value = serde_json::from_slice(&old).unwrap_or_default();
    let is_other = |other: &&Value| other["card"] != run.card || other["kernel"] != run.kernel;
    let mut runs: Vec<Value> = match old["runs"].as_array() {
        Some(runs) => runs.iter().filter(is_other).cloned().collect(),
        None => Vec::new(),
    };
    runs.push(serde_json::to_value(run).expect("JSON"));
    report::write(&json!({ "runs": runs }), "drivers.json");
}
