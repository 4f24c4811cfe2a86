// SPDX-License-Identifier: GPL-2.0-only
//! Writes a file that `apply` accepts for any kernel state. Parts that a file
//! cannot ask for become comments with the reason.

use super::{Item, Notes, Written, write};
use crate::config::{Diagnostics, parse};
use crate::model::{FullNat, State};

/// A text without mistakes.
#[derive(Clone, Debug)]
pub struct Saved {
    pub text: String,
    /// The parts that are only comments in the text, with the reasons.
    pub unsaid: Vec<String>,
}

/// Writes the state as a file. `Err`: the written text has mistakes that do not
/// belong to any part of it.
pub fn save(state: &State, mut notes: Notes) -> Result<Saved, Diagnostics> {
    let state = &without_others(state);
    for (key, FullNat { pool, .. }) in &state.full_nat {
        if !state.services.contains_key(key) {
            notes.tail.push(format!(
                "{key}: the module has full NAT for it through the pool {pool:?}, \
                 but IPVS has no such service"
            ));
        }
    }
    loop {
        let written = write(state, &notes);
        let Err(diagnostics) = parse("the saved state", &written.text) else {
            return Ok(Saved {
                unsaid: unsaid(&notes, &written),
                text: written.text,
            });
        };
        let before = (notes.refused.len(), notes.apart.len(), notes.short);
        for mistake in diagnostics.mistakes() {
            if let Some((item, _)) = written.at(mistake.span().start) {
                // It is of a service, which the long form tells.
                if let Item::Defaults | Item::Group(_) = item {
                    notes.short = false;
                    continue;
                }
                // The mistake may be of one of them alone.
                if let Item::Service(first) | Item::Server(first, _) = item
                    && !written.list(first).is_empty()
                {
                    notes.apart.extend(written.list(first).iter().cloned());
                    continue;
                }
                let reasons = notes.refused.entry(item.clone()).or_default();
                let reason = format!("a file cannot ask for this: {}", mistake.message());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        if (notes.refused.len(), notes.apart.len(), notes.short) == before {
            return Err(diagnostics);
        }
    }
}

/// Removes what other programs own under rules, because they create it again.
fn without_others(state: &State) -> State {
    let mut own = state.clone();
    own.services
        .retain(|key, _| state.full_nat.contains_key(key) || state.rule_of(key).is_none());
    own
}

fn unsaid(notes: &Notes, written: &Written) -> Vec<String> {
    let refused = notes
        .refused
        .iter()
        .flat_map(|(item, reasons)| reasons.iter().map(move |reason| (item, reason)));
    let remarks = written.remarks.iter().map(|(item, remark)| (item, remark));
    refused
        .chain(remarks)
        .map(|(item, why)| format!("{item}: {why}"))
        .chain(notes.tail.iter().cloned())
        .collect()
}
