// SPDX-License-Identifier: GPL-2.0-only
//! The commands, one file for each. A command wires the parts together and reports
//! the result.

mod apply;
mod completions;
mod desired;
mod doctor;
mod down;
mod drain;
mod error;
mod export;
mod flush;
mod follow;
mod import;
mod man;
mod metrics;
mod obstacles;
mod plan;
mod progress;
mod save;
mod show;
mod signals;
mod validate;
mod warnings;
mod weight;
mod written;
mod zero;

use std::process::ExitCode;

use nix::unistd::geteuid;

use crate::cli::{Cli, Command};
use crate::config::Failure;
use crate::director;
use crate::output;
pub use completions::complete;
use error::Error;

/// The exit status of `plan` if there are changes. It is used for nothing else.
const CHANGES: u8 = 2;
/// The exit status of `apply` if an interface is missing and everything else is done.
/// The systemd unit depends on it.
const ABSENT: u8 = 3;
/// The exit status of `apply` if a step failed, or if the kernel differs afterwards. Another
/// attempt may succeed. The systemd units depend on it.
const FAILED: u8 = 4;
/// The exit status if a file has mistakes.
const BAD_FILE: u8 = 1;
/// The exit status of `doctor` if there are errors or warnings.
const FINDINGS: u8 = 1;

/// Runs the command and prints its errors.
pub fn run(cli: &Cli) -> ExitCode {
    match dispatch(cli) {
        Ok(code) => code,
        // The reader closed the output early, which is not an error. Commands that could
        // still fail afterwards do so.
        Err(Error::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit_status())
        }
    }
}

fn report(error: &Error) {
    let Error::Config(Failure::Mistakes(diagnostics)) = error else {
        output::say(format_args!("ipvs-bpf: {error}"));
        return;
    };
    output::say(diagnostics.render(output::colour(&std::io::stderr())));
    let mistakes = match diagnostics.count() {
        1 => "1 mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    output::say(format_args!(
        "ipvs-bpf: {}: {mistakes}; nothing was changed",
        diagnostics.name()
    ));
}

/// Takes the lock for changes to the kernel.
fn lock() -> Result<director::Lock, Error> {
    let waiting = || output::say("waiting for another ipvs-bpf to finish");
    Ok(director::Lock::take(waiting)?)
}

fn dispatch(cli: &Cli) -> Result<ExitCode, Error> {
    // These commands do not read the kernel.
    match &cli.command {
        Command::Validate(args) => return validate::run(args, &cli.global),
        Command::Man(args) => return man::run(args, &cli.global),
        Command::Import(args) => return import::run(args, &cli.global),
        Command::Export(args) if args.file.is_some() => return export::run(args, &cli.global),
        Command::Completions(args) => return completions::run(args, &cli.global),
        _ => {}
    }
    if !geteuid().is_root() {
        return Err(Error::NotRoot);
    }
    if let Some(name) = &cli.global.netns {
        director::enter(name)?;
    }
    // Only these two can do something with an older module.
    if !matches!(cli.command, Command::Apply(_) | Command::Down(_)) {
        director::refuse_older_module()?;
    }
    match &cli.command {
        Command::Apply(args) => apply::run(args, &cli.global),
        Command::Plan(args) => plan::run(&args.reconcile, &cli.global),
        Command::Show(args) => show::run(args, &cli.global),
        Command::Doctor(args) => doctor::run(args, &cli.global),
        Command::Metrics(args) => metrics::run(args, &cli.global),
        Command::Save(args) => save::run(args, &cli.global),
        Command::Import(args) => import::run(args, &cli.global),
        Command::Export(args) => export::run(args, &cli.global),
        Command::Drain(args) => drain::run(args, &cli.global),
        Command::Weight(args) => weight::run(args, &cli.global),
        Command::Zero(args) => zero::run(args, &cli.global),
        Command::Flush(args) => flush::run(args, &cli.global),
        Command::Down(args) => down::run(args, &cli.global),
        Command::Validate(args) => validate::run(args, &cli.global),
        Command::Man(args) => man::run(args, &cli.global),
        Command::Completions(args) => completions::run(args, &cli.global),
    }
}
