// SPDX-License-Identifier: GPL-2.0-only
//! The file and line where a service or a rule is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A line of a file. Written as `lb.toml:3`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceLine {
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The places of services and rules, by their names as they are displayed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLines(BTreeMap<String, SourceLine>);

impl SourceLines {
    pub fn of(&self, what: &impl ToString) -> Option<&SourceLine> {
        self.0.get(&what.to_string())
    }

    /// The message, with the place of what it is about if that is in a file.
    pub fn say(&self, message: impl fmt::Display, what: &impl ToString) -> String {
        match self.of(what) {
            Some(place) => format!("{message} ({place})"),
            None => message.to_string(),
        }
    }
}

impl FromIterator<(String, SourceLine)> for SourceLines {
    fn from_iter<T: IntoIterator<Item = (String, SourceLine)>>(places: T) -> Self {
        SourceLines(places.into_iter().collect())
    }
}
