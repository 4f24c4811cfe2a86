// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf doctor`.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::desired::{self, Desired};
use super::{Error, FINDINGS, plan};
use crate::cli::{Doctor, Global};
use crate::director;
use crate::doctor::{self, Compared, Finding, Severity};
use crate::model::{State, Toa};
use crate::output;
use crate::plan::{Options, with_others};

/// The output of `--json`.
#[derive(Serialize)]
struct Json<'a> {
    findings: &'a [Finding],
    errors: usize,
    warnings: usize,
    notes: usize,
}

/// Returns the state that the file asks for, and its comparison with the
/// kernel, as in `plan`.
fn compared(path: &Path, global: &Global) -> Result<(State, Compared), Error> {
    let Desired {
        state,
        absent,
        is_of_server,
        ..
    } = desired::read(path)?;
    let actual = match is_of_server {
        true => director::observe_receiver()?,
        false => director::observe_loaded()?,
    };
    let plan = plan::on_this_host(&actual, &state, &Options::default(), global)?;
    let compared = Compared {
        name: path.display().to_string(),
        absent,
        changes: plan.changes(),
        refusals: plan.refusals,
        begun: actual.datapath.is_some()
            || !actual.services.is_empty()
            || actual.toa.as_ref().is_some_and(Toa::is_running),
    };
    Ok((with_others(&state, &actual), compared))
}

pub(super) fn run(args: &Doctor, global: &Global) -> Result<ExitCode, Error> {
    let file = args.file.as_deref().map(|path| compared(path, global));
    let facts = doctor::read::facts(file.transpose()?, global.module().as_deref())?;
    let findings = doctor::findings(&facts);
    let count = |severity| {
        let of = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        of.count()
    };
    let json = Json {
        findings: &findings,
        errors: count(Severity::Error),
        warnings: count(Severity::Warning),
        notes: count(Severity::Note),
    };
    if global.json {
        output::print_json(&json)?;
    } else if findings.is_empty() {
        output::print("nothing is wrong")?;
    } else {
        for group in doctor::groups(&findings) {
            output::print(format_args!("{group}\n"))?;
        }
        let counts = [
            (json.errors, "error"),
            (json.warnings, "warning"),
            (json.notes, "note"),
        ];
        let words: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}{}", if *count == 1 { "" } else { "s" }))
            .collect();
        output::print(words.join(", "))?;
    }
    Ok(match json.errors + json.warnings {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FINDINGS),
    })
}
