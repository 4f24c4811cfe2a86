// SPDX-License-Identifier: GPL-2.0-only
//! Reads the file.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::record::Record;
use super::sources::Sources;
use super::{Config, Diagnostics, include, parse};

/// The largest file, in bytes. 20 000 services with four servers each take 6
/// MiB.
pub(super) const LARGEST: u64 = 64 * 1024 * 1024;

/// The reason why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    NotRead(NotRead),
    #[error("{0}")]
    Mistakes(Box<Diagnostics>),
}

/// The file as a whole cannot be read as text.
#[derive(Debug)]
pub struct NotRead {
    name: String,
    message: String,
    help: &'static str,
    /// Line and column, from 1.
    place: Option<(usize, usize)>,
}

impl NotRead {
    fn new(name: &str, message: impl Into<String>, help: &'static str) -> Self {
        NotRead {
            name: name.to_owned(),
            message: message.into(),
            help,
            place: None,
        }
    }

    /// Sets the position of the first byte that is not text.
    fn at(mut self, (line, byte, column): (usize, usize, usize)) -> Self {
        self.message = format!("{} (line {line}, byte {byte} of it)", self.message);
        self.place = Some((line, column));
        self
    }

    fn record(&self) -> Record<'_> {
        Record {
            file: Cow::Borrowed(&self.name),
            line: self.place.map(|(line, _)| line),
            column: self.place.map(|(_, column)| column),
            message: Cow::Borrowed(&self.message),
            help: Cow::Borrowed(self.help),
            see: None,
            fix: None,
        }
    }
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.message, self.help)
    }
}

impl Failure {
    /// Returns the failure without its cure.
    pub(super) fn why(&self) -> String {
        match self {
            Failure::NotRead(why) => format!("{}: {}", why.name, why.message),
            Failure::Mistakes(mistakes) => mistakes.to_string(),
        }
    }

    /// Returns the mistakes of the text, if they are the reason.
    pub fn diagnostics(&self) -> Option<&Diagnostics> {
        match self {
            Failure::Mistakes(diagnostics) => Some(diagnostics),
            Failure::NotRead(_) => None,
        }
    }

    pub(super) fn records(&self) -> Vec<Record<'_>> {
        match self {
            Failure::NotRead(why) => vec![why.record()],
            Failure::Mistakes(diagnostics) => diagnostics.records().collect(),
        }
    }
}

/// Reads and checks the file. `-` is standard input.
pub fn read(path: &Path) -> Result<Config, Failure> {
    read_with_sources(path).1
}

/// Reads and checks the file, and returns the files that were looked at, whatever came of
/// it.
pub fn read_with_sources(path: &Path) -> (Sources, Result<Config, Failure>) {
    let mut sources = Sources::of(path);
    let config = read_text(path).and_then(|(name, text)| {
        let mut includes = include::Reader::of(path, &mut sources);
        parse::parse_with(&name, &text, |pattern| includes.files(pattern))
            .map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))
    });
    (sources, config)
}

/// Returns the file's name for diagnostics, and its text.
pub fn read_text(path: &Path) -> Result<(String, String), Failure> {
    let (name, result) = if path == Path::new("-") {
        ("standard input".to_owned(), bytes(io::stdin().lock()))
    } else {
        let file = File::open(path).and_then(bytes);
        (path.display().to_string(), file)
    };
    let text = result
        .map_err(|error| unreadable(&name, &error))
        .and_then(|bytes| text(&name, bytes))
        .map_err(Failure::NotRead)?;
    Ok((name, text))
}

fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(name: &str, error: &io::Error) -> NotRead {
    let (message, help) = match error.kind() {
        ErrorKind::NotFound => (
            "there is no such file",
            "name one with `--file`, or `-` for standard input",
        ),
        ErrorKind::PermissionDenied => (
            "this user may not read it",
            "run as root, or change its owner or mode",
        ),
        ErrorKind::IsADirectory => ("it is a directory", "name a file in it"),
        _ => {
            let message = format!("it cannot be read: {error}");
            return NotRead::new(name, message, "name another file");
        }
    };
    NotRead::new(name, message, help)
}

fn text(name: &str, bytes: Vec<u8>) -> Result<String, NotRead> {
    if bytes.len() as u64 > LARGEST {
        let message = "it is larger than 64 MiB";
        return Err(NotRead::new(name, message, "is it the right file?"));
    }
    // Text of 16-bit characters has a byte order mark that is not UTF-8.
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(NotRead::new(name, "it is UTF-16 text", "save it as UTF-8"));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let why = NotRead::new(name, "it is binary, with a NUL", "is it the right file?");
        return Err(why.at(place(&bytes, at)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        NotRead::new(name, "it is not UTF-8 text", "save it as UTF-8")
            .at(place(error.as_bytes(), at))
    })?;
    // A file that lost its contents must not cause the removal of all services.
    let blank = |line: &str| {
        let line = line.trim_start_matches('\u{feff}').trim();
        line.is_empty() || line.starts_with('#')
    };
    if text.lines().all(blank) {
        return Err(NotRead::new(
            name,
            "it describes nothing",
            "to remove everything, use `ipvs-bpf down`, or write `service = []`",
        ));
    }
    Ok(text)
}

/// Returns the position of a byte: its line, its byte in the line, and its
/// character in the line. All three count from 1.
fn place(bytes: &[u8], at: usize) -> (usize, usize, usize) {
    let before = bytes.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let begin = before.iter().rposition(|byte| *byte == b'\n');
    let in_line = before
        .get(begin.map_or(0, |newline| newline + 1)..)
        .unwrap_or_default();
    let characters = String::from_utf8_lossy(in_line).chars().count();
    (line, in_line.len() + 1, characters + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        text("lb.toml", bytes.to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn input_that_is_not_text_is_refused_in_one_line() {
        for (bytes, why) in [
            (&b""[..], "describes nothing"),
            (b" \n\t\n", "describes nothing"),
            (b"\xef\xbb\xbf# only words\n", "describes nothing"),
            (
                b"\x7fELF\x02\0\0",
                "binary, with a NUL (line 1, byte 6 of it)",
            ),
            (
                b"a = 1\n\"\xc3\xa9\xe9\"",
                "not UTF-8 text (line 2, byte 4 of it)",
            ),
            (b"\xff\xfea\0=\0", "it is UTF-16 text"),
        ] {
            let refusal = refusal(bytes);
            assert!(refusal.contains(why), "{refusal}");
            assert_eq!(refusal.lines().count(), 1);
        }
        let refusal = refusal(&vec![b'\n'; LARGEST as usize + 1]);
        assert!(refusal.contains("64 MiB"), "{refusal}");
    }

    #[test]
    fn unreadable_files_are_refused_in_one_line() {
        let refusal = |path: &str| read(Path::new(path)).unwrap_err().to_string();
        assert!(refusal("/nowhere/lb.toml").contains("no such file"));
        assert!(refusal("/").contains("is a directory"));
        // The file is endless and is not text.
        assert!(refusal("/dev/zero").contains("64 MiB"));
    }
}
