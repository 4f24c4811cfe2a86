// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf apply`.

use std::process::ExitCode;

use nix::sys::signal::Signal;

use super::desired::Desired;
use super::plan::{self as planning, Outcome, print_json};
use super::progress::Progress;
use super::signals::Signals;
use super::{Error, desired, follow, lock, warnings};
use crate::cli::{Apply, Global};
use crate::config::spelling::listed;
use crate::director::{self, Kernel};
use crate::model::State;
use crate::output;
use crate::plan::{self, Options, Plan, Step};

pub(super) fn run(args: &Apply, global: &Global) -> Result<ExitCode, Error> {
    if args.follow {
        return follow::run(&args.reconcile, global);
    }
    if args.dry_run {
        return planning::run(&args.reconcile, global);
    }
    let _lock = lock()?;
    // Read only once: standard input cannot be read again.
    let desired = desired::read(&args.reconcile.file.file)?;
    if !desired.is_of_server {
        remove_older_module(global)?;
    }
    let warnings = desired.warnings();
    let options = planning::options(&args.reconcile.kept);
    let unread = |error| match error {
        Error::Director(source) if !source.is_denied() => Error::Unread(source),
        other => other,
    };
    let before = desired.observe().map_err(|error| unread(error.into()))?;
    let mut plan =
        planning::on_this_host(&before, &desired.state, &options, global).map_err(unread)?;
    plan.places = desired.places.clone();
    if !global.json {
        warnings::print(&warnings);
        output::unless_nobody_reads(planning::print_text(&plan))?;
    }
    let mut done = Vec::new();
    let signals = Signals::note()?;
    let result = carry_out(&plan, global, &mut done, || signals.received())
        .and_then(|()| match plan.steps[..] {
            [] => Ok(()),
            _ => verify(before, &plan, &desired, &options),
        })
        .and_then(|()| no_interface_is_missing(&desired));
    if global.json {
        let outcome = Outcome {
            done: done.iter().filter(|&&done| done).count(),
            error: result.as_ref().err().map(Error::to_string),
        };
        let printed = print_json(&plan, &warnings, &desired.absent, Some(outcome));
        output::unless_nobody_reads(printed)?;
    }
    result.map(|()| ExitCode::SUCCESS)
}

pub(super) fn remove_older_module(global: &Global) -> Result<(), Error> {
    director::remove_older_module(&mut |what| {
        if !global.json {
            let _ = output::print(format_args!("- {what}, of an older version"));
        }
    })?;
    Ok(())
}

/// Stops at the first transaction that fails. After a signal it stops before
/// the next transaction. Completed steps are kept. `came`: the signal that arrived.
pub(super) fn carry_out(
    plan: &Plan,
    global: &Global,
    done: &mut Vec<bool>,
    mut came: impl FnMut() -> Option<Signal>,
) -> Result<(), Error> {
    let transactions = plan.transactions().map_err(|_| Error::Refused)?;
    let mut kernel = Kernel::new(global.module());
    for transaction in transactions {
        if let Some(signal) = came() {
            let progress = Progress::new(&plan.steps, done);
            return Err(Error::Signal { signal, progress });
        }
        if global.verbose {
            for step in transaction {
                output::say(step);
            }
        }
        kernel.carry_out(transaction).map_err(|stopped| {
            done.extend(stopped.done);
            Error::Step {
                source: stopped.source,
                progress: Progress::new(&plan.steps, done),
            }
        })?;
        done.resize(done.len() + transaction.len(), true);
    }
    Ok(())
}

/// Reports missing interfaces, so that a service manager tries again until they
/// appear.
fn no_interface_is_missing(desired: &Desired) -> Result<(), Error> {
    if desired.absent.is_empty() {
        return Ok(());
    }
    Err(Error::Absent(listed(
        desired.absent.iter().map(String::as_str),
    )))
}

/// Reads the touched objects again and checks that there is nothing left to do.
pub(super) fn verify(
    before: State,
    plan: &Plan,
    desired: &Desired,
    options: &Options,
) -> Result<(), Error> {
    let touched = plan.steps.iter().filter_map(Step::ipvs_service).collect();
    let after = match desired.is_of_server {
        true => director::observe_receiver(),
        false => director::observe_again(before, &touched),
    }
    .map_err(Error::Unverified)?;
    let left = plan::plan(&desired.state, &after, options);
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::NotConverged {
        plan: left.to_string(),
        left: left.steps.len(),
    })
}
