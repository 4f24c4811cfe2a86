// SPDX-License-Identifier: GPL-2.0-only
//! The table `[director]`.

use toml::de::DeValue;

use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Invalid, Section, Value, array, form, string};
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
    pub xdp: Xdp,
    pub max_sessions: u32,
    pub port_secret: Option<(PortSecret, Span)>,
}

/// The interfaces of the list that carry the program of XDP, too.
#[derive(Clone, Debug)]
pub(super) enum Xdp {
    None,
    /// Every one.
    All,
    Some(Vec<glob::Pattern>),
}

impl Xdp {
    pub fn has(&self, name: &str) -> bool {
        match self {
            Xdp::None => false,
            Xdp::All => true,
            Xdp::Some(patterns) => patterns.iter().any(|pattern| pattern.matches(name)),
        }
    }
}

fn port_secret(text: &str) -> Result<PortSecret, Invalid> {
    PortSecret::from_hex(text).ok_or_else(|| {
        Invalid::new(
            "it has 32 hexadecimal digits",
            "write the output of `openssl rand -hex 16`",
        )
    })
}

fn patterns(value: &Value, key: &'static str, mistakes: &Mistakes) -> Vec<(glob::Pattern, Span)> {
    let mut patterns = Vec::new();
    for value in array(value, key, mistakes).unwrap_or(&[]) {
        let Some((text, span)) = string(value, "the name of an interface", mistakes) else {
            continue;
        };
        match glob::Pattern::new(text) {
            Ok(pattern) if !text.is_empty() => patterns.push((pattern, span)),
            _ => mistakes.add(Mistake::new(
                &span,
                format!(
                    "{} is not a valid name or pattern of interfaces",
                    quoted(text)
                ),
                "write a name like \"eth0\", or a shell pattern like \"eth*\"",
            )),
        }
    }
    patterns
}

/// `true`, `false`, or a list of names and patterns. What is not sent at XDP goes on to the
/// program at tc, so each name must be one of `interfaces`.
fn xdp(value: &Value, interfaces: &[(glob::Pattern, Span)], mistakes: &Mistakes) -> Xdp {
    match value.get_ref() {
        DeValue::Boolean(true) => return Xdp::All,
        DeValue::Boolean(false) => return Xdp::None,
        DeValue::Array(_) => {}
        _ => {
            mistakes.add(Mistake::new(
                &value.span(),
                "`xdp` must be true, false or an array of interfaces",
                "write true, without quotes, for all of `interfaces`, or an array of some of them",
            ));
            return Xdp::None;
        }
    }
    let listed = patterns(value, "xdp", mistakes);
    for (pattern, span) in &listed {
        let name = pattern.as_str();
        let fits = |(of, _): &(glob::Pattern, Span)| of.as_str() == name || of.matches(name);
        if !is_wild(pattern) && !interfaces.iter().any(fits) {
            mistakes.add(Mistake::new(
                span,
                format!("{} is not one of `interfaces`", quoted(name)),
                "list it there too: packets that XDP does not forward are left to tc",
            ));
        }
    }
    Xdp::Some(listed.into_iter().map(|(pattern, _)| pattern).collect())
}

pub(super) fn is_wild(pattern: &glob::Pattern) -> bool {
    pattern.as_str().contains(['*', '?', '['])
}

pub(super) fn read(section: Section) -> Director {
    let interfaces = section.take("interfaces").map_or_else(Vec::new, |value| {
        patterns(value, "interfaces", section.mistakes)
    });
    let xdp = section
        .take("xdp")
        .map_or(Xdp::None, |value| xdp(value, &interfaces, section.mistakes));
    let director = Director {
        xdp,
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
