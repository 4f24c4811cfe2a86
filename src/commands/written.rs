// SPDX-License-Identifier: GPL-2.0-only
//! Writes the text of a command to standard output, or to the file that the
//! user named.

use serde::Serialize;

use super::Error;
use crate::cli::Output;
use crate::output::{self, file::Mode};

pub(super) fn put_json(value: &impl Serialize, args: &Output, mode: Mode) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    write(&(json + "\n"), args, mode)
}

/// Writes the text, which ends with a newline.
pub(super) fn write(text: &str, args: &Output, mode: Mode) -> Result<(), Error> {
    let Some(path) = &args.output else {
        let printed = output::print(text.trim_end_matches('\n'));
        return Ok(output::unless_nobody_reads(printed)?);
    };
    output::file::write(path, text, args.force, mode)?;
    let lines = text.lines().count();
    output::say(format_args!("wrote {} ({lines} lines)", path.display()));
    Ok(())
}
