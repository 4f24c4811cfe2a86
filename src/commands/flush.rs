// SPDX-License-Identifier: GPL-2.0-only
//! The command `ipvs-bpf flush`.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::process::ExitCode;

use serde::Serialize;

use super::signals::Signals;
use super::{Error, lock};
use crate::cli::{Flush, Global};
use crate::director;
use crate::model::ServiceKey;
use crate::output;

/// The output of `flush --json`.
#[derive(Serialize)]
struct Flushed {
    removed: Vec<String>,
}

pub(super) fn run(args: &Flush, global: &Global) -> Result<ExitCode, Error> {
    let services = director::flushable()?;
    if !args.yes && !services.is_empty() {
        ask(&count(&services))?;
    }
    // The lock is not held while the user confirms.
    let _lock = lock()?;
    let services = director::flushable()?;
    // Defer signals, so that IPVS and the module are flushed together.
    let _signals = Signals::note()?;
    // Flush even if no service is known: IPVS may have services that cannot be
    // read.
    director::flush()?;
    if global.json {
        let removed = services.keys().map(ServiceKey::to_string).collect();
        output::print_json(&Flushed { removed })?;
    } else if services.is_empty() {
        output::print("there were no virtual services")?;
    } else {
        let lines: Vec<_> = services.keys().map(|key| format!("- {key}")).collect();
        output::print(lines.join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns "3 virtual services, 1 of them full NAT".
fn count(services: &BTreeMap<ServiceKey, bool>) -> String {
    let full_nat = services.values().filter(|full_nat| **full_nat).count();
    match (services.len(), full_nat) {
        (1, _) => "1 virtual service".to_owned(),
        (all, 0) => format!("{all} virtual services"),
        (all, full_nat) => format!("{all} virtual services, {full_nat} of them full NAT"),
    }
}

fn ask(what: &str) -> Result<(), Error> {
    if !io::stdin().is_terminal() {
        return Err(Error::NotAsked(what.to_owned()));
    }
    output::say(format_args!(
        "Remove {what}? Their connections stop at once. [y/N]"
    ));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Error::Declined),
    }
}
