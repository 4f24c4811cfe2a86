// SPDX-License-Identifier: GPL-2.0-only
//! From target/bench/report.json, what `make bench` measured, to what a reader
//! sees: docs/benchmark.svg, and the table in README.md.

mod plot;
mod readme;
mod report;

use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), Box<dyn Error>> {
    let report = report::read()?;
    plot::draw(&report)?;
    readme::write(&report)?;
    Ok(())
}
