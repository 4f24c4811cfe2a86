// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf save`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Error, written};
use crate::cli::{Global, Save};
use crate::config::Failure;
use crate::config::write::{Notes, save};
use crate::director;
use crate::output;

/// What `--json` prints.
#[derive(Serialize)]
struct Json<'a> {
    text: &'a str,
    /// What the text only has as comments.
    unsaid: &'a [String],
}

pub(super) fn run(args: &Save, global: &Global) -> Result<ExitCode, Error> {
    let notes = Notes {
        head: vec!["The running state, as `ipvs-bpf save` found it.".to_owned()],
        ..Notes::default()
    };
    let saved = save(&director::observe_loaded()?, notes)
        .map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))?;
    if global.json {
        let json = Json {
            text: &saved.text,
            unsaid: &saved.unsaid,
        };
        written::put_json(&json, &args.output)?;
    } else {
        written::put(&saved.text, &args.output)?;
    }
    if saved.unsaid.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for unsaid in &saved.unsaid {
        output::say(unsaid);
    }
    Err(Error::Unsaid)
}
