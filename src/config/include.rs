// SPDX-License-Identifier: GPL-2.0-only
//! `include`: files that are read as if their services, rules, groups of servers and pools
//! were in the file that names them. An included file cannot include others.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Mistake, Span};
use super::file::{self, LARGEST};
use super::reader::{Invalid, Section, Value, array, string};
use super::sources::Sources;
use super::spelling::quoted;

/// The most files that one file includes.
const MOST: usize = 10_000;

/// The tables of the whole director. An included file cannot have them.
const OF_DIRECTOR: [&str; 6] = ["director", "timeouts", "sysctl", "sync", "toa", "defaults"];

/// The text of an included file, and its name in messages.
pub(super) struct Included {
    pub name: String,
    pub text: String,
}

/// Reads the patterns of `include`, with their places.
pub(super) fn patterns<'t>(root: &Section<'t>) -> Vec<(&'t str, Span)> {
    let Some(value) = root.take("include") else {
        return Vec::new();
    };
    let mistakes = root.mistakes;
    let one = |value: &'t Value<'t>| {
        let (pattern, span) = string(value, "include", mistakes)?;
        if let Err(wrong) = check(pattern) {
            mistakes.add(Mistake::new(&span, wrong.why, wrong.right));
            return None;
        }
        Some((pattern, span))
    };
    match value.get_ref() {
        DeValue::Array(_) => array(value, "include", mistakes)
            .unwrap_or(&[])
            .iter()
            .filter_map(one)
            .collect(),
        _ => one(value).into_iter().collect(),
    }
}

fn check(pattern: &str) -> Result<(), Invalid> {
    const FORM: &str = "write it like \"conf.d/*.toml\" or \"services.toml\"";
    if pattern.is_empty() {
        return Err(Invalid::new("the pattern is empty", FORM));
    }
    match glob::Pattern::new(pattern) {
        Ok(_) => Ok(()),
        Err(error) => Err(Invalid::new(
            format!("{} is not a valid pattern: {}", quoted(pattern), error.msg),
            FORM,
        )),
    }
}

/// True if only the including file can have this key.
pub(super) fn is_of_director(key: &str) -> bool {
    key == "include" || OF_DIRECTOR.contains(&key)
}

/// Reports what an included file cannot have.
pub(super) fn refuse(section: &Section, including: &str) {
    for (key, _, value) in section.entries() {
        let (message, help) = match OF_DIRECTOR.iter().find(|table| **table == key) {
            Some(table) => (
                format!(
                    "an included file cannot have `[{table}]`, which configures the whole \
                     director"
                ),
                format!("move it to {including}"),
            ),
            None if key == "include" => (
                "an included file cannot include others".to_owned(),
                format!("name the files in the `include` of {including}"),
            ),
            None => continue,
        };
        let mistake = Mistake::new(&value.span(), message, help);
        section.mistakes.add(mistake);
    }
}

/// Moves all places of a table by this number of bytes.
pub(super) fn shift(table: DeTable<'_>, by: usize) -> DeTable<'_> {
    let moved = |span: Span| span.start + by..span.end + by;
    table
        .into_iter()
        .map(|(key, value)| {
            let key_span = moved(key.span());
            (
                Spanned::new(key_span, key.into_inner()),
                shift_value(value, by),
            )
        })
        .collect()
}

fn shift_value(value: Spanned<DeValue<'_>>, by: usize) -> Spanned<DeValue<'_>> {
    let span = value.span();
    let moved = match value.into_inner() {
        DeValue::Array(array) => {
            let elements = array.into_iter().map(|value| shift_value(value, by));
            DeValue::Array(elements.collect())
        }
        DeValue::Table(table) => DeValue::Table(shift(table, by)),
        other => other,
    };
    Spanned::new(span.start + by..span.end + by, moved)
}

/// Reads the files that patterns name.
pub(super) struct Reader<'a> {
    /// The folder that patterns are relative to.
    folder: PathBuf,
    /// The including file. `None`: standard input.
    root: Option<PathBuf>,
    sources: &'a mut Sources,
    /// The files that were read, by their real paths.
    read: Vec<PathBuf>,
    bytes: u64,
}

impl<'a> Reader<'a> {
    /// A reader for the includes of this file. `-` is standard input.
    pub fn of(path: &Path, sources: &'a mut Sources) -> Self {
        let is_file = path != Path::new("-");
        let folder = path.parent().filter(|_| is_file);
        Reader {
            folder: folder.unwrap_or(Path::new("")).to_owned(),
            root: is_file.then(|| path.canonicalize().ok()).flatten(),
            sources,
            read: Vec::new(),
            bytes: 0,
        }
    }

    /// Returns the files of a pattern, in the order of their names, without those that an
    /// earlier pattern had.
    pub fn files(&mut self, pattern: &str) -> Result<Vec<Included>, Invalid> {
        let path = Pattern::new(&self.folder, pattern);
        self.sources.add(path.clone());
        // A folder that cannot be listed would look like an empty one.
        if path.is_wild
            && let Err(error) = fs::read_dir(&path.base)
        {
            let folder = path.base.display();
            return Err(match error.kind() {
                ErrorKind::NotFound => Invalid::new(
                    format!("there is no folder {folder}"),
                    "make it; it may be empty",
                ),
                _ => Invalid::new(format!("{folder}: {error}"), "name another folder"),
            });
        }
        let mut included = Vec::new();
        for path in path.files() {
            included.extend(self.file(path, pattern)?);
        }
        Ok(included)
    }

    fn file(&mut self, path: PathBuf, pattern: &str) -> Result<Option<Included>, Invalid> {
        self.sources.add_file(&path);
        let (name, text) = file::read_text(&path).map_err(|failure| {
            let help = match glob::Pattern::escape(pattern) == pattern {
                true => "name another file, or remove it from `include`",
                false => "rename it so that the pattern does not match it",
            };
            Invalid::new(failure.why(), help)
        })?;
        let real = path.canonicalize().unwrap_or(path);
        if Some(&real) == self.root.as_ref() {
            return Err(Invalid::new(
                format!("{} includes the file itself", quoted(pattern)),
                "put the other files into a folder: \"conf.d/*.toml\"",
            ));
        }
        if self.read.contains(&real) {
            return Ok(None);
        }
        self.bytes += text.len() as u64;
        if self.read.len() == MOST || self.bytes > LARGEST {
            return Err(Invalid::new(
                format!(
                    "{name} makes it more than {MOST} files or {} MiB",
                    LARGEST >> 20
                ),
                "is it the right folder?",
            ));
        }
        self.read.push(real);
        Ok(Some(Included { name, text }))
    }
}

/// A pattern of `include`, below the folder of its file.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// The part before the first wildcard.
    pub base: PathBuf,
    /// The whole pattern, as the file system has it.
    whole: String,
    is_wild: bool,
}

impl Pattern {
    fn new(folder: &Path, pattern: &str) -> Self {
        let is_wild = glob::Pattern::escape(pattern) != pattern;
        let folder = match Path::new(pattern).is_absolute() {
            true => Path::new(""),
            false => folder,
        };
        let wild = |part: &Component| {
            let part = part.as_os_str().to_string_lossy();
            glob::Pattern::escape(&part) != part
        };
        let parts = Path::new(pattern).components();
        let fixed: PathBuf = parts.take_while(|part| !wild(part)).collect();
        let base = match folder.join(fixed) {
            base if base.as_os_str().is_empty() => PathBuf::from("."),
            base => base,
        };
        let escaped = glob::Pattern::escape(&folder.to_string_lossy());
        let whole = Path::new(&escaped).join(pattern);
        Pattern {
            base,
            whole: whole.to_string_lossy().into_owned(),
            is_wild,
        }
    }

    /// Returns the matching files, sorted by name. Hidden files do not match. A name
    /// without a wildcard is a file, even if it is not there.
    pub fn files(&self) -> Vec<PathBuf> {
        if !self.is_wild {
            return vec![self.base.clone()];
        }
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::new()
        };
        let found = glob::glob_with(&self.whole, options);
        let found = found.into_iter().flatten().filter_map(Result::ok);
        let mut files: Vec<PathBuf> = found.take(MOST + 1).collect();
        files.sort();
        files
    }

    /// The folder whose events tell of new and removed files.
    pub fn folder(&self) -> &Path {
        match self.is_wild {
            true => &self.base,
            false => self.base.parent().unwrap_or(&self.base),
        }
    }
}
