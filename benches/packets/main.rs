// SPDX-License-Identifier: GPL-2.0-only
//! Counts the instructions for each packet on the paths through a director, in a virtual
//! machine that counts them (`lab/runner.sh` boots it): `make bench`. docs/concepts/benchmark.md
//! describes what is measured.
//!
//!   cargo bench --bench packets               all parts, and the report
//!   cargo bench --bench packets -- quick      what the goals speak of, in IPv4
//!   cargo bench --bench packets -- PART… PATH…
//!                                             these parts and paths alone; a wrong
//!                                             name lists them
//!   cargo bench --bench packets -- drivers MODEL [PART…]
//!                                             the whole director between two cards of that
//!                                             model: `make bench-drivers`
//!   cargo bench --bench packets -- server     a server that is told its clients: `make bench-server`
//!   cargo bench --bench packets -- native     real time on this host: `make bench-native`
//!
//! `cargo test` runs a small part of `native`.

mod arrival;
mod director;
mod drivers;
mod flow;
mod goals;
mod growth;
mod idle;
mod leases;
mod measure;
mod namespace;
mod native;
mod network;
mod nft;
mod packet_socket;
mod parts;
mod path;
mod programs;
mod report;
mod server;
mod sparse;
mod subjects;
mod table;
mod way;

use std::process::ExitCode;

use crate::parts::{PARTS, Part, QUICK};
use crate::path::Path;
use crate::report::Report;

fn main() -> ExitCode {
    let (is_bench, mut names) = words();
    if !is_bench {
        return test(&names);
    }
    if names == ["native"] {
        return native(&native::WHOLE, |report| {
            table::print_native(report);
            report::write(report, "native.json");
        });
    }
    if names == ["server"] {
        server::measure();
        return ExitCode::SUCCESS;
    }
    if let [first, model, parts @ ..] = names.as_slice()
        && first == "drivers"
    {
        return drivers(model, parts);
    }
    if names == ["quick"] {
        names = QUICK.map(str::to_owned).into();
    }
    let mut parts: Vec<&Part> = Vec::new();
    let mut paths = vec![Path::Drop];
    for name in &names {
        if let Some(part) = PARTS.iter().find(|part| part.name == name) {
            parts.push(part);
        } else if let Some(path) = Path::ALL.iter().find(|path| path.name() == name) {
            // The first path is always measured.
            if *path != Path::Drop {
                paths.push(*path);
            }
        } else {
            let parts = PARTS.iter().map(|part| part.name);
            let all: Vec<_> = parts.chain(Path::ALL.map(Path::name)).collect();
            eprintln!("there is no '{name}', but: {}", all.join(", "));
            return ExitCode::from(2);
        }
    }
    if parts.is_empty() {
        parts = PARTS.iter().collect();
    }
    if paths == [Path::Drop] {
        paths = Path::ALL.into();
    }
    let report = parts::run(&parts, &paths, |report: &Report| {
        if names.is_empty() {
            report::write(report, "report.json");
        }
    });
    table::print(&report);
    ExitCode::SUCCESS
}

/// True if `cargo bench` runs this and not `cargo test`, and the remaining arguments.
fn words() -> (bool, Vec<String>) {
    let (cargo, words): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with("--"));
    (cargo.iter().any(|word| word == "--bench"), words)
}

fn native(extent: &native::Extent, done: impl Fn(&native::Report)) -> ExitCode {
    match native::measure(extent) {
        Ok(report) => {
            done(&report);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn drivers(model: &str, parts: &[String]) -> ExitCode {
    match drivers::measure(model, parts) {
        Ok(run) => {
            drivers::print(&run);
            if parts.is_empty() {
                drivers::write(&run);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Checks that the benchmark runs, including its own checks, and that each path has its
/// figures.
fn test(names: &[String]) -> ExitCode {
    const NAME: &str = "the_native_benchmark_measures_each_path_in_both_directions";
    if !(names.is_empty() || names.iter().any(|name| NAME.contains(name.as_str()))) {
        return ExitCode::SUCCESS;
    }
    native(&native::SMOKE, |report| {
        // Two families, two numbers of flows and two directions. The generator has no
        // row.
        assert_eq!(report.rows.len(), 2 * 2 * 2 * (Path::NATIVE.len() - 1));
        let json = serde_json::to_value(report).expect("JSON");
        let rows = json["rows"].as_array().expect("rows");
        for row in rows {
            for figure in ["lower_quartile", "median", "upper_quartile"] {
                assert!(row["nanoseconds"][figure].is_f64(), "{row}");
                assert!(row["ratio"][figure].is_f64(), "{row}");
            }
        }
        println!("test {NAME} ... ok");
    })
}
