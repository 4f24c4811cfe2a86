// SPDX-License-Identifier: GPL-2.0-only
//! Arguments → command → exit code.

use std::process::ExitCode;

use clap::Parser;

use ipvs_bpf::{cli::Cli, commands};

fn main() -> ExitCode {
    commands::run(&Cli::parse())
}
