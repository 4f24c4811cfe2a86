// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf import`.

use std::fs;
use std::process::ExitCode;

use serde::Serialize;

use super::{BAD_FILE, Error, written};
use crate::cli::{Global, Import};
use crate::config::{Failure, Report, read_text};
use crate::ipvsadm::{Names, import};
use crate::keepalived;
use crate::output::{self, file::Mode};

/// The output of `--json` for a text without mistakes.
#[derive(Serialize)]
struct Json<'a> {
    text: &'a str,
}

/// Runs the command. With `--json` the mistakes go to standard output, in the
/// format of `validate`.
pub(super) fn run(args: &Import, global: &Global) -> Result<ExitCode, Error> {
    match file(args) {
        Ok(text) if global.json => {
            written::put_json(&Json { text: &text }, &args.output, Mode::Usual)?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(text) => {
            written::write(&text, &args.output, Mode::Usual)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(failure) if global.json => {
            let printed = output::print_json(&Report::of_failure(&failure));
            output::unless_nobody_reads(printed)?;
            Ok(ExitCode::from(BAD_FILE))
        }
        Err(failure) => Err(failure.into()),
    }
}

fn file(args: &Import) -> Result<String, Failure> {
    let (name, text) = read_text(&args.file)?;
    if keepalived::is_keepalived(&text) {
        return keepalived::import(&name, &text)
            .map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)));
    }
    // A host without these files has no names.
    let names = Names::new(
        &fs::read_to_string("/etc/hosts").unwrap_or_default(),
        &fs::read_to_string("/etc/services").unwrap_or_default(),
    );
    import(&name, &text, &names).map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))
}
