// SPDX-License-Identifier: GPL-2.0-only
//! Prints to standard output.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use serde::Serialize;

/// Prints a line. If the reader has closed the pipe, the error is a
/// `BrokenPipe`. The caller does not treat this as a failure.
pub fn print(text: impl Display) -> io::Result<()> {
    // Standard output alone would need one write for each line.
    let mut out = BufWriter::new(io::stdout().lock());
    writeln!(out, "{text}")?;
    out.flush()
}

/// Ignores a closed pipe. What the command does, and its exit status, do not depend on
/// whether somebody reads the output.
pub fn unless_nobody_reads(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(serde_json::to_string_pretty(value).map_err(io::Error::from)?)
}

/// Prints a message on standard error. Errors of the write are ignored.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// True if a stream takes colours. A terminal does, unless NO_COLOR is set
/// (no-color.org) or TERM is `dumb`.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Returns the width of a line if standard output is a terminal. Elsewhere
/// lines are not limited, for programs that read them.
pub fn width() -> Option<u16> {
    let terminal = io::stdout().is_terminal();
    let (width, _) = crossterm::terminal::size().ok().filter(|_| terminal)?;
    (width > 0).then_some(width)
}
