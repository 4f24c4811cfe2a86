// SPDX-License-Identifier: GPL-2.0-only
//! What is wrong, why it matters, and what mends it.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Traffic fails, or `apply` does.
    Error,
    /// Some traffic may fail, or costs more than it should.
    Warning,
    /// Worth knowing.
    Note,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// A stable name of the kind of finding.
    pub check: &'static str,
    pub what: String,
    pub why: String,
    /// A command, or where none can do it, what to do.
    pub cure: String,
}

impl Finding {
    pub fn new(
        severity: Severity,
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding {
            severity,
            check,
            what: what.into(),
            why: why.into(),
            cure: cure.into(),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} [{}]\n  why:  {}\n  cure: {}",
            self.severity, self.what, self.check, self.why, self.cure
        )
    }
}
