// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf down`.

use std::process::ExitCode;

use super::{Error, lock};
use crate::cli::{Down, Global};
use crate::director::teardown;
use crate::output;

pub(super) fn run(args: &Down, _global: &Global) -> Result<ExitCode, Error> {
    let _lock = lock()?;
    let mut printed = Ok(());
    teardown(args.keep_native, &mut |what| {
        if printed.is_ok() {
            printed = output::print(format_args!("- {what}"));
        }
    })?;
    printed?;
    Ok(ExitCode::SUCCESS)
}
