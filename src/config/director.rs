// SPDX-License-Identifier: GPL-2.0-only
//! `[director]`.

use super::diagnostics::{Mistake, Span};
use super::reader::{Section, array, string};
use super::spelling::quoted;

/// The default of `max_sessions`.
pub(super) const MAX_SESSIONS: u32 = 65_536;
/// Each takes 912 bytes from the beginning, so these take 14 GiB.
const MOST_SESSIONS: i64 = 1 << 24;

#[derive(Clone, Debug)]
pub(super) struct Director {
    /// Names or shell patterns, with their places for a later complaint.
    pub interfaces: Vec<(glob::Pattern, Span)>,
    pub fast_path: bool,
    pub max_sessions: u32,
}

pub(super) fn read(section: Section) -> Director {
    let mut interfaces = Vec::new();
    let list = section
        .take("interfaces")
        .and_then(|value| array(value, "interfaces", section.mistakes));
    for value in list.unwrap_or(&[]) {
        let Some((text, span)) = string(value, "the name of an interface", section.mistakes) else {
            continue;
        };
        match glob::Pattern::new(text) {
            Ok(pattern) if !text.is_empty() => interfaces.push((pattern, span)),
            _ => section.mistakes.add(Mistake::new(
                &span,
                format!("{} is no name or pattern of interfaces", quoted(text)),
                "write a name like \"eth0\", or a shell pattern like \"eth*\"",
            )),
        }
    }
    let director = Director {
        interfaces,
        fast_path: section.boolean("fast_path").is_none_or(|(on, _)| on),
        max_sessions: section
            .integer("max_sessions", 1, MOST_SESSIONS)
            .and_then(|(number, _)| u32::try_from(number).ok())
            .unwrap_or(MAX_SESSIONS),
    };
    section.finish();
    director
}
