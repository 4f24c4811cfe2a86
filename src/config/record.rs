// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes and warnings for programs, as `validate --json` prints them.
//! ipvs-bpf-validate(8) documents the format. Fields may be added, but are never
//! renamed or removed.

use std::borrow::Cow;

use serde::Serialize;

use super::{Diagnostics, Failure};

/// The result for one file.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Empty if the file is valid.
    mistakes: Vec<Record<'a>>,
    /// The number of mistakes beyond the limit of the list.
    more: usize,
    warnings: Vec<Record<'a>>,
}

#[derive(Serialize)]
pub struct Record<'a> {
    pub(super) file: Cow<'a, str>,
    /// The line, from 1; the column also counts from 1, in characters.
    /// Null: the file as a whole.
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    /// The problem.
    pub(super) message: Cow<'a, str>,
    /// The correct form.
    pub(super) help: Cow<'a, str>,
    /// A second place in the file that is related.
    pub(super) see: Option<See<'a>>,
    /// The help as an edit of the text, if it can be one.
    pub(super) fix: Option<Edit<'a>>,
}

/// Replaces the bytes from `start` to before `end`. Offsets count from 0 after a
/// byte order mark.
#[derive(Serialize)]
pub(super) struct Edit<'a> {
    pub start: usize,
    pub end: usize,
    pub text: &'a str,
}

#[derive(Serialize)]
pub(super) struct See<'a> {
    /// The file may be another one than that of the mistake.
    pub file: &'a str,
    pub line: usize,
    pub column: usize,
    pub message: &'static str,
}

impl<'a> Report<'a> {
    pub fn of_failure(failure: &'a Failure) -> Self {
        Report {
            mistakes: failure.records(),
            more: failure.diagnostics().map_or(0, Diagnostics::more),
            warnings: Vec::new(),
        }
    }

    /// Makes the report for a file without mistakes.
    pub fn of_warnings(warnings: Option<&'a Diagnostics>) -> Self {
        Report {
            mistakes: Vec::new(),
            more: 0,
            warnings: warnings
                .into_iter()
                .flat_map(Diagnostics::records)
                .collect(),
        }
    }
}
