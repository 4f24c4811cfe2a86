// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf validate`.

use std::process::ExitCode;

use super::{BAD_FILE, Error, desired};
use crate::cli::{File, Global};
use crate::config::{self, Report};
use crate::output;

/// Runs the command. With `--json` everything goes to standard output.
pub(super) fn run(args: &File, global: &Global) -> Result<ExitCode, Error> {
    let result = config::read(&args.file);
    if global.json {
        return Ok(match &result {
            Ok(config) => {
                output::print_json(&Report::of_warnings(config.warnings().as_ref()))?;
                ExitCode::SUCCESS
            }
            Err(failure) => {
                let printed = output::print_json(&Report::of_failure(failure));
                output::unless_nobody_reads(printed)?;
                ExitCode::from(BAD_FILE)
            }
        });
    }
    desired::warn(result?.warnings());
    output::print(format_args!("{}: no mistakes", args.file.display()))?;
    Ok(ExitCode::SUCCESS)
}
