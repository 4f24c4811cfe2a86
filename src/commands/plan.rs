// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf plan`.

use std::io;
use std::process::ExitCode;

use super::{CHANGES, Error, desired};
use crate::cli::{Global, Reconcile};
use crate::director;
use crate::model::State;
use crate::output;
use crate::plan::{Options, Plan, Prune, plan};

pub(super) fn run(args: &Reconcile, global: &Global) -> Result<ExitCode, Error> {
    let plan = against_kernel(&desired::state(&args.file.file)?, args)?;
    print(&plan, global)?;
    if !plan.refusals.is_empty() {
        return Err(Error::Refused);
    }
    Ok(if plan.steps.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CHANGES)
    })
}

/// The plan from what the kernel has now.
pub(super) fn against_kernel(desired: &State, args: &Reconcile) -> Result<Plan, Error> {
    let options = Options {
        keep_weights: args.keep_weights,
        prune: match (args.no_prune, args.only_listed) {
            (true, _) => Prune::Nothing,
            (_, true) => Prune::Listed,
            _ => Prune::Everything,
        },
    };
    Ok(plan(desired, &director::observe()?, &options))
}

pub(super) fn print(plan: &Plan, global: &Global) -> io::Result<()> {
    if global.json {
        let json = serde_json::to_string_pretty(plan).map_err(io::Error::from)?;
        return output::print(json);
    }
    output::print(plan.diff(output::colour(&io::stdout())))
}
