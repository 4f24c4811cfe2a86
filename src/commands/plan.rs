// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf plan`.

use std::collections::BTreeSet;
use std::io;
use std::process::ExitCode;

use serde::Serialize;

use super::{CHANGES, Error, desired, obstacles, warnings};
use crate::cli::{Global, Kept, Reconcile};
use crate::model::State;
use crate::output;
use crate::plan::{Options, Plan, Prune, plan};

pub(super) fn run(args: &Reconcile, global: &Global) -> Result<ExitCode, Error> {
    let desired = desired::read(&args.file.file)?;
    let warnings = desired.warnings();
    let options = options(&args.kept);
    let mut plan = on_this_host(&desired.observe()?, &desired.state, &options, global)?;
    plan.places = desired.places;
    if global.json {
        let printed = print_json(&plan, &warnings, &desired.absent, None);
        output::unless_nobody_reads(printed)?;
    } else {
        warnings::print(&warnings);
        output::unless_nobody_reads(print_text(&plan))?;
    }
    if !plan.refusals.is_empty() {
        return Err(Error::Refused);
    }
    Ok(if plan.steps.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(CHANGES)
    })
}

/// Returns the plan, with refusals for the steps that this host cannot carry out.
pub(super) fn on_this_host(
    actual: &State,
    desired: &State,
    options: &Options,
    global: &Global,
) -> Result<Plan, Error> {
    let mut plan = plan(desired, actual, options);
    let obstacles = obstacles::refusals(&plan, actual, global.module().as_deref())?;
    plan.refusals.extend(obstacles);
    Ok(plan)
}

pub(super) fn options(args: &Kept) -> Options {
    Options {
        keep_weights: args.keep_weights,
        prune: match (args.no_prune, args.only_listed) {
            (true, _) => Prune::Nothing,
            (_, true) => Prune::Listed,
            _ => Prune::Everything,
        },
    }
}

/// The result of carrying out the plan.
#[derive(Serialize)]
pub(super) struct Outcome {
    /// The number of steps that were carried out.
    pub done: usize,
    /// The reason why some steps were not.
    /// Null: all steps were carried out.
    pub error: Option<String>,
}

/// The keys of the plan, `warnings`, `absent_interfaces` and, for `apply`, the
/// keys of [`Outcome`].
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    warnings: &'a [String],
    absent_interfaces: &'a BTreeSet<String>,
    #[serde(flatten)]
    outcome: Option<Outcome>,
}

pub(super) fn print_json(
    plan: &Plan,
    warnings: &[String],
    absent_interfaces: &BTreeSet<String>,
    outcome: Option<Outcome>,
) -> io::Result<()> {
    let document = Document {
        plan,
        warnings,
        absent_interfaces,
        outcome,
    };
    output::print_json(&document)
}

pub(super) fn print_text(plan: &Plan) -> io::Result<()> {
    output::print(plan.diff(output::colour(&io::stdout())))
}
