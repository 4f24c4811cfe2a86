// SPDX-License-Identifier: GPL-2.0-only
//! `[director]`.

use super::diagnostics::{Mistake, Span};
use super::reader::{Section, string};

/// The default of `max_sessions`.
const MAX_SESSIONS: u32 = 1_048_576;
/// Two map entries a session are counted in 32 bits.
const MOST_SESSIONS: i64 = 1 << 30;

#[derive(Clone, Debug)]
pub(super) struct Director {
    /// Names or shell patterns, with their places for a later complaint.
    pub interfaces: Vec<(glob::Pattern, Span)>,
    pub fast_path: Option<(bool, Span)>,
    pub max_sessions: u32,
}

pub(super) fn read(section: Section) -> Director {
    let mut interfaces = Vec::new();
    for value in section.array("interfaces") {
        let Some((text, span)) = string(value, section.mistakes) else {
            continue;
        };
        match glob::Pattern::new(text) {
            Ok(pattern) if !text.is_empty() => interfaces.push((pattern, span)),
            _ => section.mistakes.add(
                Mistake::new(
                    span,
                    format!("`{text}` is no name or pattern of interfaces"),
                )
                .help("a name, or a shell pattern like \"eth*\""),
            ),
        }
    }
    let director = Director {
        interfaces,
        fast_path: section.boolean("fast_path"),
        max_sessions: section
            .integer("max_sessions", 1, MOST_SESSIONS)
            .and_then(|(number, _)| u32::try_from(number).ok())
            .unwrap_or(MAX_SESSIONS),
    };
    section.finish();
    director
}
