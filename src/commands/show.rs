// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf show`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::Error;
use crate::cli::{Global, Show};
use crate::datapath;
use crate::director::{self, observe};
use crate::output::{self, json, tables};

pub(super) fn run(args: &Show, global: &Global) -> Result<ExitCode, Error> {
    if args.sessions {
        sessions(global)?;
    } else {
        services(global)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn services(global: &Global) -> Result<(), Error> {
    let state = observe()?;
    let statistics = if state.services.is_empty() {
        BTreeMap::new()
    } else {
        director::statistics()?
    };
    if global.json {
        return Ok(output::print(to_json(&json::Show::new(
            &state,
            &statistics,
        ))?)?);
    }
    Ok(output::print(tables::services(&state, &statistics))?)
}

fn sessions(global: &Global) -> Result<(), Error> {
    let sessions = datapath::sessions().map_err(director::Error::from)?;
    if global.json {
        return Ok(output::print(to_json(&json::Sessions::new(&sessions))?)?);
    }
    Ok(output::print(tables::sessions(&sessions))?)
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Error> {
    Ok(serde_json::to_string_pretty(value).map_err(std::io::Error::from)?)
}
