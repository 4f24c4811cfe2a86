// SPDX-License-Identifier: GPL-2.0-only
//! A text that a command has made: to standard output, or into the file that
//! the user named.

use serde::Serialize;

use super::Error;
use crate::cli::Output;
use crate::output;

pub(super) fn put_json(value: &impl Serialize, args: &Output) -> Result<(), Error> {
    let json = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    put(&(json + "\n"), args)
}

/// `text` ends with a newline.
pub(super) fn put(text: &str, args: &Output) -> Result<(), Error> {
    let Some(path) = &args.output else {
        return Ok(output::print(text.trim_end_matches('\n'))?);
    };
    output::file::write(path, text, args.force)?;
    let lines = text.lines().count();
    output::say(format_args!("wrote {} ({lines} lines)", path.display()));
    Ok(())
}
