// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf export`.

use std::process::ExitCode;

use serde::Serialize;

use super::Error;
use crate::cli::{Export, Global};
use crate::config;
use crate::director;
use crate::ipvsadm::export;
use crate::output;

/// The output of `--json`.
#[derive(Serialize)]
struct Json<'a> {
    lines: Vec<&'a str>,
    /// The parts of the state that are not in the lines, one sentence each.
    lost: &'a [String],
}

pub(super) fn run(args: &Export, global: &Global) -> Result<ExitCode, Error> {
    let state = match &args.file {
        Some(file) => config::read(file)?.on_any_host(),
        None => director::observe()?,
    };
    let exported = export(&state);
    if global.json {
        output::print_json(&Json {
            lines: exported.text.lines().collect(),
            lost: &exported.lost,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    let lost = exported
        .lost
        .iter()
        .map(|lost| format!("# not in these lines: {lost}\n"));
    let lost: String = lost.collect();
    if args.comments {
        output::print(
            format_args!("{lost}{}", exported.text)
                .to_string()
                .trim_end(),
        )?;
    } else {
        if !exported.text.is_empty() {
            output::print(exported.text.trim_end())?;
        }
        if !lost.is_empty() {
            output::say(lost.trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}
