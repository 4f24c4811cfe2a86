// SPDX-License-Identifier: GPL-2.0-only
//! Text → TOML tables. With broken syntax the keys that were recovered may
//! stand in the wrong table, so nothing else is said about such a file.

use toml::Spanned;
use toml::de::DeTable;

use super::diagnostics::{Diagnostics, Mistake, Mistakes, Span};

/// Below it every error is asked for, beyond it the first: a file of nothing
/// else would take hundreds of times its size.
const SMALL: usize = 1024 * 1024;

pub(super) fn parse<'t>(name: &str, text: &'t str) -> Result<Spanned<DeTable<'t>>, Diagnostics> {
    let (document, errors) = if text.len() < SMALL {
        DeTable::parse_recoverable(text)
    } else {
        match DeTable::parse(text) {
            Ok(document) => (document, Vec::new()),
            Err(error) => (Spanned::new(0..0, DeTable::new()), vec![error]),
        }
    };
    let mistakes = Mistakes::default();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        if array_is_open(text, &span, error.message()) {
            mistakes.add(Mistake::new(
                &span,
                "an array that begins above is not closed here",
                "close it with `]` before this line",
            ));
            // The rest was taken for the array's elements.
            break;
        }
        let (message, help) = explain(error.message());
        mistakes.add(Mistake::new(&span, message, help));
    }
    match mistakes.into_diagnostics(name, text) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(document),
    }
}

/// What the parser says, as what is wrong and what would be right.
fn explain(message: &str) -> (&str, String) {
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message, None),
    };
    match (what, expected) {
        ("duplicate key", _) => ("the key is already there", "keep one of the two".to_owned()),
        // Both are said of a word without quotes.
        ("invalid boolean" | "string values must be quoted", _) => (
            "it is no value",
            "a text is written in quotes: \"…\"".to_owned(),
        ),
        (_, Some("nothing")) => (what, "remove it".to_owned()),
        (_, Some(expected)) => (what, format!("expected {expected}")),
        _ if what.contains("recurs") => (
            "tables and arrays are nested too deeply",
            "four levels are the most that this file needs".to_owned(),
        ),
        _ => (what, "https://toml.io shows the syntax of TOML".to_owned()),
    }
}

/// Whether a line that looks like a header or `key = value` was met as the next
/// element of an array.
fn array_is_open(text: &str, span: &Span, message: &str) -> bool {
    let begins_line = text
        .get(..span.start)
        .is_some_and(|before| before.trim_end_matches([' ', '\t']).ends_with('\n'));
    if !begins_line || !message.contains("array") {
        return false;
    }
    let line = text
        .get(span.start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let key = line.split_once('=').map_or("", |(key, _)| key.trim_end());
    let looks_like_key = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let looks_like_header = line.starts_with('[') && line.trim_end().ends_with(']');
    looks_like_key || looks_like_header
}
