// SPDX-License-Identifier: GPL-2.0-only
//! Arguments → command → exit code.

use std::process::ExitCode;

use ipvs_bpf::{cli, commands};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::complete().unwrap_or_else(|| commands::run(&cli::parse()))
}
