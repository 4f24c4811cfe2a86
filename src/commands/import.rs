// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf import`.

use std::fs;
use std::process::ExitCode;

use super::{BAD_FILE, Error, written};
use crate::cli::{Global, Import};
use crate::config::{Failure, Report, read_text};
use crate::ipvsadm::{Names, import};
use crate::output;

/// With `--json` the mistakes go to standard output, as those of `validate`.
pub(super) fn run(args: &Import, global: &Global) -> Result<ExitCode, Error> {
    let (name, text) = read_text(&args.file)?;
    // Who has no such file has no names.
    let names = Names::new(
        &fs::read_to_string("/etc/hosts").unwrap_or_default(),
        &fs::read_to_string("/etc/services").unwrap_or_default(),
    );
    match import(&name, &text, &names) {
        Ok(toml) => {
            written::put(&toml, &args.output)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(diagnostics) => {
            let failure = Failure::Mistakes(Box::new(diagnostics));
            if !global.json {
                return Err(failure.into());
            }
            let report = serde_json::to_string_pretty(&Report::of_failure(&failure));
            output::print(report.map_err(std::io::Error::from)?)?;
            Ok(ExitCode::from(BAD_FILE))
        }
    }
}
