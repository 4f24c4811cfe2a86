// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf down`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Error, lock};
use crate::cli::{Down, Global};
use crate::director::teardown;
use crate::output;

/// The output of `down --json`.
#[derive(Serialize)]
struct Report {
    /// The removed objects in words, in the order of removal.
    removed: Vec<String>,
    /// The reason why some objects remain.
    /// Null: everything was removed.
    error: Option<String>,
}

pub(super) fn run(args: &Down, global: &Global) -> Result<ExitCode, Error> {
    let _lock = lock()?;
    let mut printed = Ok(());
    let mut removed = Vec::new();
    let ended = teardown(args.keep_native, &mut |what| {
        if global.json {
            removed.push(what.to_owned());
        } else if printed.is_ok() {
            printed = output::print(format_args!("- {what}"));
        }
    });
    if global.json {
        let error = ended.as_ref().err().map(ToString::to_string);
        printed = output::print_json(&Report { removed, error });
    }
    ended?;
    printed?;
    Ok(ExitCode::SUCCESS)
}
