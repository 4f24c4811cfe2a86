// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf doctor`.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::desired::{self, Desired};
use super::{Error, FINDINGS, plan};
use crate::cli::{Doctor, Global, Kept};
use crate::director;
use crate::doctor::{self, Compared, Finding, Severity};
use crate::model::{State, Toa};
use crate::output;
use crate::plan::with_others;

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
fn compared(path: &Path, kept: &Kept, global: &Global) -> Result<(State, Compared), Error> {
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
    let plan = plan::on_this_host(&actual, &state, &plan::options(kept), global)?;
    let compared = Compared {
        apply: apply(path, kept),
        absent,
        changes: plan.changes(),
        refusals: plan.refusals,
        begun: actual.datapath.is_some()
            || !actual.services.is_empty()
            || actual.toa.as_ref().is_some_and(Toa::is_running),
    };
    Ok((with_others(&state, &actual), compared))
}

/// The command that applies the file with the same options.
fn apply(path: &Path, kept: &Kept) -> String {
    let mut command = "ipvs-bpf apply".to_owned();
    for word in kept.words() {
        command.push(' ');
        command.push_str(word);
    }
    format!("{command} -f {}", path.display())
}

pub(super) fn run(args: &Doctor, global: &Global) -> Result<ExitCode, Error> {
    if let (None, Some(option)) = (&args.file, args.kept.words().next()) {
        return Err(Error::Usage(format!(
            "{option} is about the comparison with a file: name it with -f"
        )));
    }
    let file = args.file.as_deref();
    let file = file.map(|path| compared(path, &args.kept, global));
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
    output::unless_nobody_reads(print(&json, global))?;
    Ok(match json.errors + json.warnings {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FINDINGS),
    })
}

fn print(json: &Json, global: &Global) -> io::Result<()> {
    if global.json {
        return output::print_json(json);
    }
    if json.findings.is_empty() {
        return output::print("nothing is wrong");
    }
    for group in doctor::groups(json.findings) {
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
    output::print(words.join(", "))
}
