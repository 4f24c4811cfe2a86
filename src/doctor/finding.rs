// SPDX-License-Identifier: GPL-2.0-only
//! A finding: what is wrong, why it matters, how to fix it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Traffic or `apply` fails.
    Error,
    /// Some traffic may fail or be slower than necessary.
    Warning,
    /// Useful information.
    Note,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// A stable name for the kind of finding.
    pub check: &'static str,
    /// The address or server that the finding is about, if there can be several of
    /// a kind.
    pub about: Option<String>,
    pub what: String,
    pub why: String,
    /// A command, or an instruction if no command can do it.
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
            about: None,
            what: what.into(),
            why: why.into(),
            cure: cure.into(),
        }
    }

    /// Makes a finding of a kind that can occur several times.
    pub fn about(
        subject: impl fmt::Display,
        severity: Severity,
        check: &'static str,
        what: impl Into<String>,
        why: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Finding {
            about: Some(subject.to_string()),
            ..Finding::new(severity, check, what, why, cure)
        }
    }
}

/// Up to this many findings with one cause are printed separately.
const FEW: usize = 3;
/// The number of other subjects that are named. `--json` has all of them.
const NAMED: usize = 8;

/// Findings with one cause, as they are printed for people.
pub struct Group<'a> {
    first: &'a Finding,
    /// The subjects of the other findings.
    others: Vec<&'a str>,
}

impl<'a> Group<'a> {
    fn of(findings: &[&'a Finding]) -> Option<Self> {
        let (first, others) = findings.split_first()?;
        let others = others.iter().filter_map(|finding| finding.about.as_deref());
        Some(Group {
            first,
            others: others.collect(),
        })
    }
}

/// Groups the findings in their order.
pub fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut places = BTreeMap::new();
    let mut causes: Vec<Vec<&Finding>> = Vec::new();
    for finding in findings {
        let place = match finding.about {
            Some(_) => {
                let cause = (finding.severity, finding.check, &finding.why);
                *places.entry(cause).or_insert(causes.len())
            }
            None => causes.len(),
        };
        match causes.get_mut(place) {
            Some(cause) => cause.push(finding),
            None => causes.push(vec![finding]),
        }
    }
    let groups = causes.iter().flat_map(|cause| {
        let together = if cause.len() > FEW { cause.len() } else { 1 };
        cause.chunks(together).filter_map(Group::of)
    });
    groups.collect()
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

impl fmt::Display for Group<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            severity,
            check,
            what,
            why,
            cure,
            ..
        } = self.first;
        write!(f, "{severity}: {what} [{check}]")?;
        if !self.others.is_empty() {
            let named = self.others.iter().take(NAMED).copied();
            let named: Vec<&str> = named.collect();
            write!(f, "\n  also: {}", named.join(", "))?;
            match self.others.len().saturating_sub(NAMED) {
                0 => {}
                more => write!(f, " and {more} more")?,
            }
        }
        write!(f, "\n  why: {why}\n  fix: {cure}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(check: &'static str, about: Option<usize>) -> Finding {
        Finding {
            about: about.map(|number| number.to_string()),
            ..Finding::new(Severity::Error, check, "it is so", "why", "cure")
        }
    }

    fn text(findings: &[Finding]) -> String {
        let groups = groups(findings);
        let words: Vec<String> = groups.iter().map(Group::to_string).collect();
        words.join("\n")
    }

    #[test]
    fn many_findings_of_one_cause_are_one_block() {
        let mut findings: Vec<_> = (0..20_000)
            .map(|number| finding("a", Some(number)))
            .collect();
        findings.insert(1, finding("b", None));
        findings.push(finding("b", None));
        findings.extend((0..3).map(|number| finding("c", Some(number))));
        let text = text(&findings);
        assert_eq!(text.matches("[a]").count(), 1, "{text}");
        assert_eq!(text.matches("[b]").count(), 2, "{text}");
        assert_eq!(text.matches("[c]").count(), 3, "{text}");
        let also = "  also: 1, 2, 3, 4, 5, 6, 7, 8 and 19991 more\n";
        assert_eq!(text.matches("also").count(), 1, "{text}");
        assert!(text.contains(also), "{text}");
    }

    #[test]
    fn another_reason_is_another_cause() {
        let mut findings: Vec<_> = (0..8).map(|number| finding("a", Some(number))).collect();
        for finding in findings.iter_mut().skip(4) {
            finding.why = "another".to_owned();
        }
        let text = text(&findings);
        assert_eq!(text.matches("[a]").count(), 2, "{text}");
        assert!(text.contains("also: 1, 2, 3\n"), "{text}");
        assert!(text.contains("also: 5, 6, 7\n"), "{text}");
    }
}
