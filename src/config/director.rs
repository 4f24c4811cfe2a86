// SPDX-License-Identifier: GPL-2.0-only
//! The table `[director]`.

use super::diagnostics::{Mistake, Span};
use super::reader::{Section, Wrong, array, form, string};
use super::spelling::quoted;
use crate::model::PortSecret;

/// The default of `max_sessions`.
pub(super) const MAX_SESSIONS: u32 = 65_536;
/// A session takes 976 bytes, allocated at start: these take 15 GiB.
const MOST_SESSIONS: i64 = 1 << 24;

#[derive(Clone, Debug)]
pub(super) struct Director {
    /// Names or shell patterns, with their places in the text for later
    /// messages.
    pub interfaces: Vec<(glob::Pattern, Span)>,
    pub fast_path: bool,
    pub max_sessions: u32,
    pub port_secret: Option<(PortSecret, Span)>,
}

fn port_secret(text: &str) -> Result<PortSecret, Wrong> {
    PortSecret::from_hex(text).ok_or_else(|| {
        Wrong::new(
            "it has 32 hexadecimal digits",
            "write the output of `openssl rand -hex 16`",
        )
    })
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
                format!(
                    "{} is not a valid name or pattern of interfaces",
                    quoted(text)
                ),
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
        port_secret: section.take("port_secret").and_then(|value| {
            let what = "port secret";
            form(value, "port_secret", what, port_secret, section.mistakes)
        }),
    };
    section.finish();
    director
}
