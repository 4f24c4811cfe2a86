// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf completions`: the script of a shell, and the answers that it asks this
//! program for whenever Tab is pressed.

mod candidates;
mod line;
mod shells;

use std::env;
use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::ArgValueCandidates;
use clap_complete::env::{EnvCompleter, Fish, Shells};

use super::Error;
use crate::cli::{self, Cli, Completions, Global};

/// Set by the scripts of the shells, which ask by it. clap's own would be `COMPLETE`,
/// which others may set for their own purpose.
const ASKED: &str = "_IPVS_BPF_COMPLETE";
const NAME: &str = "ipvs-bpf";

pub(super) fn run(args: &Completions, global: &Global) -> Result<ExitCode, Error> {
    if global.json {
        let why = "completions are for a shell and there is no --json for them: leave it out";
        return Err(Error::Usage(why.to_owned()));
    }
    let shell: &dyn EnvCompleter = match args.shell {
        cli::Shell::Bash => &shells::Bash,
        cli::Shell::Zsh => &shells::Zsh,
        cli::Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    shell.write_registration(ASKED, NAME, NAME, NAME, &mut script)?;
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Answers the script of a shell; `None` where it was not that which asked. Says nothing
/// on standard error, which is the terminal on which somebody types.
pub fn complete() -> Option<ExitCode> {
    env::var_os(ASKED)?;
    panic::set_hook(Box::new(|_| {}));
    let shells: [&dyn EnvCompleter; 3] = [&shells::Bash, &shells::Zsh, &Fish];
    let answered = CompleteEnv::with_factory(command)
        .var(ASKED)
        .shells(Shells(&shells))
        .try_complete(env::args_os(), env::current_dir().ok().as_deref());
    match answered {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// The command line, with what the kernel knows as values of its arguments.
fn command() -> Command {
    let services = || ArgValueCandidates::new(candidates::services);
    let servers = || ArgValueCandidates::new(candidates::servers);
    let mut command = Cli::command().mut_arg("netns", |arg| {
        arg.add(ArgValueCandidates::new(candidates::namespaces))
    });
    for name in ["drain", "weight"] {
        command = command.mut_subcommand(name, |command| {
            command
                .mut_arg("service", |arg| arg.add(services()))
                .mut_arg("server", |arg| arg.add(servers()))
        });
    }
    command
        .mut_subcommand("zero", |command| {
            command.mut_arg("service", |arg| arg.add(services()))
        })
        .mut_subcommand("show", |command| {
            command
                .mut_arg("services", |arg| arg.add(services()))
                .mut_arg("servers", |arg| arg.add(servers()))
                .mut_arg("sort", |arg| {
                    arg.add(ArgValueCandidates::new(candidates::columns))
                })
        })
}
