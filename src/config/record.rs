// SPDX-License-Identifier: GPL-2.0-only
//! Mistakes and warnings for programs: what `validate --json` prints.
//! ipvs-bpf-validate(8) documents it. Fields may be added, none is renamed or
//! removed.

use std::borrow::Cow;

use serde::Serialize;

use super::{Diagnostics, Failure};

/// Of one file.
#[derive(Serialize)]
pub struct Report<'a> {
    /// Empty: the file is good.
    mistakes: Vec<Record<'a>>,
    /// Mistakes that are not listed: there are too many.
    more: usize,
    warnings: Vec<Record<'a>>,
}

#[derive(Serialize)]
pub struct Record<'a> {
    pub(super) file: Cow<'a, str>,
    /// Lines and columns (in characters) count from 1; null: the file as a whole.
    pub(super) line: Option<usize>,
    pub(super) column: Option<usize>,
    /// What is wrong.
    pub(super) message: Cow<'a, str>,
    /// What would be right.
    pub(super) help: Cow<'a, str>,
    /// Another place of the file that has to do with it.
    pub(super) see: Option<See>,
    /// The help as an edit of the text, where it is one.
    pub(super) fix: Option<Edit<'a>>,
}

/// Replaces the bytes from `start` to before `end`, which count from 0 behind a
/// byte order mark.
#[derive(Serialize)]
pub(super) struct Edit<'a> {
    pub start: usize,
    pub end: usize,
    pub text: &'a str,
}

#[derive(Serialize)]
pub(super) struct See {
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

    /// Of a file without mistakes.
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
