// SPDX-License-Identifier: GPL-2.0-only
//! Makes docs/concepts/benchmark.svg and the table in benchmark.md next to it from
//! target/bench/report.json, the results of `make bench`. Its own table has the figures between
//! cards, which the picture shows too.

mod cards;
mod plot;
mod report;
mod table;

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
    plot::draw(&report, &cards::read()?)?;
    table::write(&report)?;
    Ok(())
}
