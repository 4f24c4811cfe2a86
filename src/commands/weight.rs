// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf weight`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Error, lock};
use crate::cli::{Global, Weight};
use crate::director;
use crate::output;

/// The output of `weight --json`.
#[derive(Serialize)]
struct Changed {
    service: String,
    server: String,
    weight_before: u32,
    weight: u32,
}

pub(super) fn run(args: &Weight, global: &Global) -> Result<ExitCode, Error> {
    let _lock = lock()?;
    let (service, server) = (&args.target.service, args.target.server);
    let before = director::set_weight(service, server, args.weight)?;
    if global.json {
        output::print_json(&Changed {
            service: service.to_string(),
            server: server.to_string(),
            weight_before: before,
            weight: args.weight,
        })?;
    } else {
        output::print(change(service, server, before, args.weight))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns "tcp://10.0.0.1:80 → 10.2.0.2:8080: weight 3 → 1".
pub(super) fn change(
    service: &crate::model::ServiceKey,
    server: std::net::SocketAddr,
    before: u32,
    now: u32,
) -> String {
    if before == now {
        format!("{service} → {server}: weight {now} already")
    } else {
        format!("{service} → {server}: weight {before} → {now}")
    }
}
