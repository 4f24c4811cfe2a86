// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf completions`: generated from the clap definition.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Error;
use crate::cli::{self, Cli, Completions};

pub(super) fn run(args: &Completions) -> Result<ExitCode, Error> {
    let shell = match args.shell {
        cli::Shell::Bash => Shell::Bash,
        cli::Shell::Zsh => Shell::Zsh,
        cli::Shell::Fish => Shell::Fish,
    };
    // The generator panics where it cannot write.
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "ipvs-bpf", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
