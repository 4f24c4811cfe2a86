// SPDX-License-Identifier: GPL-2.0-only
//! Printing to standard output.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;

/// Prints a line. That the reader has closed the pipe is reported as an error
/// of that kind, which is no failure of ours.
pub fn print(text: impl Display) -> io::Result<()> {
    // Standard output alone would write each line by itself.
    let mut out = BufWriter::new(io::stdout().lock());
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a value as JSON.
pub fn print_json(value: &impl Serialize) -> io::Result<()> {
    print(serde_json::to_string_pretty(value).map_err(io::Error::from)?)
}

/// Says something on standard error. Who closed that does not want to know.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether a stream takes colours: a terminal does, unless NO_COLOR is set
/// (no-color.org) or TERM is `dumb`.
pub fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::env::var_os("TERM").is_none_or(|value| value != "dumb")
}

/// Characters of a line, if standard output is a terminal. Elsewhere a line is
/// as long as it is, for programs that read it.
pub fn width() -> Option<u16> {
    let terminal = io::stdout().is_terminal();
    let (width, _) = crossterm::terminal::size().ok().filter(|_| terminal)?;
    (width > 0).then_some(width)
}
