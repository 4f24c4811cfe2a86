// SPDX-License-Identifier: GPL-2.0-only
//! Instructions per packet on the ways through a director, in a virtual machine
//! that counts them (`lab/runner` boots it): `make bench`. docs/benchmark.md says
//! what is measured.
//!
//!   cargo bench --bench packets               all parts, and the report
//!   cargo bench --bench packets -- quick      what the goals speak of, in IPv4
//!   cargo bench --bench packets -- PART…      these parts; a wrong name lists them

mod arrival;
mod director;
mod flow;
mod goals;
mod growth;
mod measure;
mod namespace;
mod network;
mod packet_socket;
mod parts;
mod path;
mod programs;
mod report;
mod subjects;
mod table;

use std::process::ExitCode;

use crate::parts::{PARTS, QUICK};
use crate::report::Report;

fn main() -> ExitCode {
    // What cargo says.
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let mut names: Vec<String> = words.collect();
    if names == ["quick"] {
        names = QUICK.map(str::to_owned).into();
    }
    for name in &names {
        if !PARTS.iter().any(|part| part.name == name) {
            eprintln!("there is no part '{name}', but:");
            PARTS.iter().for_each(|part| eprintln!("  {}", part.name));
            return ExitCode::from(2);
        }
    }
    let whole = names.is_empty();
    let chosen = PARTS
        .iter()
        .filter(|part| whole || names.iter().any(|name| part.name == name));
    let report = parts::run(chosen.collect(), |report: &Report| {
        if whole {
            report.write();
        }
    });
    table::print(&report);
    ExitCode::SUCCESS
}
