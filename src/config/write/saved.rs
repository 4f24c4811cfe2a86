// SPDX-License-Identifier: GPL-2.0-only
//! A file that `apply` accepts, whatever the kernel has: what no file can ask
//! for becomes a comment that says why.

use super::{Notes, Written, write};
use crate::config::{Diagnostics, parse};
use crate::model::State;

/// A text without mistakes.
#[derive(Clone, Debug)]
pub struct Saved {
    pub text: String,
    /// What the text only has as comments: what, and why.
    pub unsaid: Vec<String>,
}

/// The mistakes of a text that we wrote ourselves are returned where none of
/// its parts is to blame.
pub fn save(state: &State, mut notes: Notes) -> Result<Saved, Diagnostics> {
    let state = &without_others(state);
    for (key, pool) in &state.full_nat {
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
        let before = notes.refused.len();
        for mistake in diagnostics.mistakes() {
            if let Some((place, _)) = written.at(mistake.span().start) {
                let reasons = notes.refused.entry(place.clone()).or_default();
                let reason = format!("a file cannot ask for this: {}", mistake.message());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        if notes.refused.len() == before {
            return Err(diagnostics);
        }
    }
}

/// A rule leaves these to another program, which makes them again.
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
        .flat_map(|(place, reasons)| reasons.iter().map(move |reason| (place, reason)));
    let remarks = written
        .remarks
        .iter()
        .map(|(place, remark)| (place, remark));
    refused
        .chain(remarks)
        .map(|(place, why)| format!("{place}: {why}"))
        .chain(notes.tail.iter().cloned())
        .collect()
}
