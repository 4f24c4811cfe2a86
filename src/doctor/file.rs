// SPDX-License-Identifier: GPL-2.0-only
//! Compares the file with the kernel, like `plan`.

use std::collections::BTreeSet;

use super::finding::Severity::{Error, Note, Warning};
use super::{Facts, Finding};
use crate::plan::Refusal;

/// A file, compared with this host.
#[derive(Clone, Debug, Default)]
pub struct Compared {
    /// The command that applies the file, with the options of the comparison.
    pub apply: String,
    /// The interfaces that the file lists and the host lacks. The wanted state
    /// lacks them too.
    pub absent: BTreeSet<String>,
    pub refusals: Vec<Refusal>,
    /// The number of changes, as `plan` counts them.
    pub changes: usize,
    /// True if there are services or a data plane. Otherwise nothing was applied
    /// yet.
    pub begun: bool,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(file) = &facts.file else {
        return;
    };
    for refusal in file.refusals.iter().filter(|refusal| !is_found(refusal)) {
        let text = refusal.to_string();
        let (what, cure) = text.rsplit_once(": ").unwrap_or((&text, "change the file"));
        findings.push(Finding::about(
            refusal.subject(),
            Error,
            "plan-refused",
            what,
            format!(
                "apply refuses the whole file and changes nothing ({})",
                refusal.reason()
            ),
            cure,
        ));
    }
    if file.changes > 0 {
        let changes = match file.changes {
            1 => "1 change".to_owned(),
            number => format!("{number} changes"),
        };
        findings.push(Finding::new(
            if file.begun { Warning } else { Note },
            "kernel-differs",
            format!("the kernel differs from the file: {changes}"),
            "traffic is not served as the file says",
            &file.apply,
        ));
    }
}

/// True if a check of the host reports this refusal.
fn is_found(refusal: &Refusal) -> bool {
    let of_host = matches!(
        refusal,
        Refusal::NoModule { .. } | Refusal::NotEthernet { .. } | Refusal::PortTaken { .. }
    );
    of_host || refusal.is_of_xdp()
}
