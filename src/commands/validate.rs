// SPDX-License-Identifier: GPL-2.0-only
//! `ipvs-bpf validate`.

use std::process::ExitCode;

use super::{Error, desired};
use crate::cli::{File, Global};
use crate::output;

pub(super) fn run(args: &File, _global: &Global) -> Result<ExitCode, Error> {
    desired::read(&args.file)?;
    output::print(format_args!("{}: no mistakes", args.file.display()))?;
    Ok(ExitCode::SUCCESS)
}
