// SPDX-License-Identifier: GPL-2.0-only
//! Arguments → command → exit code.

use std::process::ExitCode;

use clap::Parser;

use ipvs_bpf::{cli::Cli, commands};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::run(&Cli::parse())
}
