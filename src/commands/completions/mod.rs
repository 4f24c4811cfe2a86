// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf completions`: the script for a shell, and this program's answers to the
//! script when Tab is pressed.

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

/// The variable that the shells' scripts set to ask for candidates. clap's default is
/// `COMPLETE`, which other programs may set for another purpose.
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

/// Answers the script of a shell. Prints nothing on standard error, because that is the
/// user's terminal.
/// `None`: no script asked.
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

/// Returns the command line with candidates from the kernel.
fn command() -> Command {
    with_candidates(Cli::command())
}

fn with_candidates(command: Command) -> Command {
    // `mut_arg` would move the argument behind the other positional ones.
    let command = command.mut_args(|arg| match arg.get_id().as_str() {
        "service" | "services" => arg.add(ArgValueCandidates::new(candidates::services)),
        "server" | "servers" => arg.add(ArgValueCandidates::new(candidates::servers)),
        "netns" => arg.add(ArgValueCandidates::new(candidates::namespaces)),
        "sort" => arg.add(ArgValueCandidates::new(candidates::columns)),
        _ => arg,
    });
    command.mut_subcommands(with_candidates)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the arguments with candidates, and all positional arguments in order.
    fn arguments(name: &str) -> (Vec<String>, Vec<String>) {
        let mut whole = command();
        whole.build();
        let command = whole.find_subcommand(name).unwrap();
        let named = |arg: &clap::Arg| arg.get_id().to_string();
        let has = |arg: &&clap::Arg| arg.get::<ArgValueCandidates>().is_some();
        let positional = |index| {
            command
                .get_positionals()
                .find(|arg| arg.get_index() == index)
        };
        (
            command.get_arguments().filter(has).map(named).collect(),
            (1..)
                .map_while(|index| positional(Some(index)).map(named))
                .collect(),
        )
    }

    #[test]
    fn objects_of_the_kernel_are_offered_and_arguments_keep_their_order() {
        let (offered, positional) = arguments("weight");
        assert_eq!(offered, ["service", "server", "netns"]);
        assert_eq!(positional, ["service", "server", "weight"]);
        let (offered, positional) = arguments("drain");
        assert_eq!(offered, ["service", "server", "netns"]);
        assert_eq!(positional, ["service", "server"]);
        assert_eq!(arguments("zero").0, ["service", "netns"]);
        assert_eq!(
            arguments("show").0,
            ["services", "servers", "sort", "netns"]
        );
        assert_eq!(arguments("apply").0, ["netns"]);
    }
}
