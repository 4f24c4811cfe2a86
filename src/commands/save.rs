// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf save`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Error, written};
use crate::cli::{Global, Save};
use crate::config::Failure;
use crate::config::write::{Notes, save};
use crate::director;
use crate::output::{self, file::Mode};

/// The output of `--json`.
#[derive(Serialize)]
struct Json<'a> {
    text: &'a str,
    /// The parts that are only comments in the text.
    unsaid: &'a [String],
}

pub(super) fn run(args: &Save, global: &Global) -> Result<ExitCode, Error> {
    let notes = Notes {
        head: vec!["The running state, as `ipvs-bpf save` found it.".to_owned()],
        short: !args.long,
        ..Notes::default()
    };
    let state = director::observe_loaded()?;
    let mode = match state.port_secret {
        Some(_) => Mode::Private,
        None => Mode::Usual,
    };
    let saved =
        save(&state, notes).map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))?;
    if global.json {
        let json = Json {
            text: &saved.text,
            unsaid: &saved.unsaid,
        };
        written::put_json(&json, &args.output, mode)?;
    } else {
        written::write(&saved.text, &args.output, mode)?;
    }
    if saved.unsaid.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for unsaid in &saved.unsaid {
        output::say(unsaid);
    }
    Err(Error::Unsaid)
}
