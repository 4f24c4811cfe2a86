// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf doctor`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Error, FINDINGS, desired};
use crate::cli::{Doctor, Global};
use crate::doctor::{self, Finding, Severity};
use crate::output;

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    findings: &'a [Finding],
    errors: usize,
    warnings: usize,
    notes: usize,
}

pub(super) fn run(args: &Doctor, global: &Global) -> Result<ExitCode, Error> {
    let desired = args.file.as_deref().map(desired::read).transpose()?;
    let file = desired.map(|desired| (desired.state, desired.absent));
    let facts = doctor::read::facts(file, global.module().as_deref())?;
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
