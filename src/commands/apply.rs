// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf apply`.

use std::process::ExitCode;

use super::{Error, desired, plan};
use crate::cli::{Apply, Global, Reconcile};
use crate::director::{Kernel, Lock};
use crate::model::State;
use crate::output;
use crate::plan::Plan;

pub(super) fn run(args: &Apply, global: &Global) -> Result<ExitCode, Error> {
    if args.dry_run {
        return plan::run(&args.reconcile, global);
    }
    let _lock = Lock::take(|| output::say("waiting for another ipvs-bpf to finish"))?;
    // Read once: standard input has no second time.
    let desired = desired::state(&args.reconcile.file.file)?;
    let plan = plan::against_kernel(&desired, &args.reconcile)?;
    plan::print(&plan, global)?;
    carry_out(&plan, global)?;
    if !plan.steps.is_empty() {
        verify(&desired, &args.reconcile)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn carry_out(plan: &Plan, global: &Global) -> Result<(), Error> {
    let mut kernel = Kernel::new(global.module.as_deref());
    let mut done = 0;
    for transaction in plan.transactions().map_err(|_| Error::Refused)? {
        if global.verbose {
            for step in transaction {
                output::say(step);
            }
        }
        kernel
            .carry_out(transaction)
            .map_err(|source| Error::Step {
                source: Box::new(source),
                done,
                all: plan.steps.len(),
            })?;
        done += transaction.len();
    }
    Ok(())
}

/// Reads the kernel again: nothing may be left to do.
fn verify(desired: &State, args: &Reconcile) -> Result<(), Error> {
    let left = plan::against_kernel(desired, args)?;
    if left.is_empty() {
        return Ok(());
    }
    Err(Error::NotConverged(left.to_string()))
}
