// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf zero`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Error, lock};
use crate::cli::{Global, Zero};
use crate::director;
use crate::output;

/// The output of `zero --json`.
/// Null: all services.
#[derive(Serialize)]
struct Zeroed {
    service: Option<String>,
}

pub(super) fn run(args: &Zero, global: &Global) -> Result<ExitCode, Error> {
    let _lock = lock()?;
    director::zero(args.service.as_ref())?;
    let service = args.service.as_ref().map(ToString::to_string);
    if global.json {
        output::print_json(&Zeroed { service })?;
    } else {
        let whose = service.as_deref().unwrap_or("all services");
        output::print(format_args!("{whose}: counters set to zero"))?;
    }
    Ok(ExitCode::SUCCESS)
}
