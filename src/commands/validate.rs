// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf validate`.

use std::process::ExitCode;

use super::{BAD_FILE, Error, desired};
use crate::cli::{File, Global};
use crate::config::Failure;
use crate::output;

/// With `--json` the mistakes go to standard output, as a list; it is empty
/// where there are none.
pub(super) fn run(args: &File, global: &Global) -> Result<ExitCode, Error> {
    let result = desired::read(&args.file);
    if global.json {
        return match &result {
            Ok(_) => output::print("[]").map(|()| ExitCode::SUCCESS),
            Err(Error::Config(Failure::Mistakes(diagnostics))) => {
                let json =
                    serde_json::to_string_pretty(diagnostics).map_err(std::io::Error::from)?;
                output::print(json).map(|()| ExitCode::from(BAD_FILE))
            }
            Err(_) => return result.map(|_| ExitCode::SUCCESS),
        }
        .map_err(Error::from);
    }
    result?;
    output::print(format_args!("{}: no mistakes", args.file.display()))?;
    Ok(ExitCode::SUCCESS)
}
