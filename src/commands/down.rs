// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf down`.

use std::process::ExitCode;

use super::Error;
use crate::cli::{Down, Global};
use crate::director::{Lock, teardown};
use crate::output;

pub(super) fn run(args: &Down, _global: &Global) -> Result<ExitCode, Error> {
    let _lock = Lock::take(|| output::say("waiting for another ipvs-bpf to finish"))?;
    let mut printed = Ok(());
    teardown(args.keep_native, &mut |what| {
        if printed.is_ok() {
            printed = output::print(format_args!("- {what}"));
        }
    })?;
    printed?;
    Ok(ExitCode::SUCCESS)
}
