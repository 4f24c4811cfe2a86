// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf completions`: generated from the clap definition.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Error;
use crate::cli::{self, Cli, Completions, Global};

pub(super) fn run(args: &Completions, global: &Global) -> Result<ExitCode, Error> {
    if global.json {
        let why = "completions are for a shell and there is no --json for them: leave it out";
        return Err(Error::Usage(why.to_owned()));
    }
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
