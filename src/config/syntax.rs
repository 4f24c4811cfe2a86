// SPDX-License-Identifier: GPL-2.0-only
//! Text → TOML tables. With broken syntax the keys that were recovered may
//! stand in the wrong table, so nothing else is said about such a file.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostics, Mistake, Mistakes, Span};
use super::foreign;
use super::slip::{self, Line};

/// Below it every error is asked for, beyond it the first: a file of nothing
/// else would take hundreds of times its size.
const SMALL: usize = 1024 * 1024;

/// Of as many duplicates the first place is looked for: each takes a walk
/// through the file.
const SEARCHED: usize = 100;
/// What the parser says of a key that is there already.
const DUPLICATE: &str = "duplicate key";

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
    if !errors.is_empty()
        && let Some(mistake) = foreign::recognize(text)
    {
        mistakes.add(mistake);
        return mistakes
            .into_diagnostics(name, text)
            .map_or(Ok(document), Err);
    }
    // One line is one slip, whatever the parser says of its pieces.
    let mut explained = BTreeSet::new();
    for (index, error) in errors.into_iter().enumerate() {
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
        if index < SEARCHED
            && let Some(line) = slip::line_of(text, &span)
        {
            if explained.contains(&line.at) {
                continue;
            }
            if let Some(mistake) = misplaced(&document, error.message(), text, &line)
                .or_else(|| slip::find(&line, table_of(text, line.at)))
            {
                explained.insert(line.at);
                mistakes.add(mistake);
                continue;
            }
        }
        let (message, help) = explain(error.message());
        let mistake = Mistake::new(&span, message, help);
        let first = (error.message() == DUPLICATE && index < SEARCHED)
            .then(|| {
                header_before(text, &span).or_else(|| key_before(document.get_ref(), text, &span))
            })
            .flatten();
        mistakes.add(match first {
            Some(first) => mistake.see(&first, "it is here"),
            None => mistake,
        });
    }
    match mistakes.into_diagnostics(name, text) {
        Some(diagnostics) => Err(diagnostics),
        None => Ok(document),
    }
}

/// The name in the last header above a line.
fn table_of(text: &str, line: usize) -> &str {
    let above = text.get(..line).unwrap_or_default();
    above
        .lines()
        .rev()
        .find_map(|line| line.trim().strip_prefix('[')?.split(']').next())
        .unwrap_or_default()
}

/// A header that the parser takes for a key that is there already.
fn misplaced(
    document: &Spanned<DeTable>,
    message: &str,
    text: &str,
    line: &Line,
) -> Option<Mistake> {
    if message != DUPLICATE {
        return None;
    }
    let header = line.text.trim();
    let span = line.at..line.at + line.text.trim_end().len();
    match header {
        "[[service]]" => {
            let table = document.get_ref().get("service")?.get_ref().as_table()?;
            let first = |header: &str| {
                let at = text.get(..line.at)?.find(header)?;
                Some(at..at + header.len())
            };
            if table.contains_key("server")
                && let Some(server) = first("[[service.server]]")
            {
                Some(server_alone(&server).see(&span, "the service"))
            } else {
                let single = first("[service]")?;
                let help = "write it with double brackets: `[[service]]`";
                let message = "`service` is a list, of which this is no element";
                Some(Mistake::new(&single, message, help).fix(&single, "[[service]]"))
            }
        }
        "[service]" if text.get(..line.at)?.contains("[[service]]") => {
            let help = "write it with double brackets: `[[service]]`";
            let message = "`service` is a list, of which this is no element";
            Some(Mistake::new(&span, message, help).fix(&span, "[[service]]"))
        }
        _ => None,
    }
}

/// A server without a service above it.
pub(super) fn server_alone(span: &Span) -> Mistake {
    Mistake::new(
        span,
        "a server is listed before its service",
        "put it below its `[[service]]`",
    )
}

/// The header that a duplicate repeats.
fn header_before(text: &str, duplicate: &Span) -> Option<Span> {
    let before = text.get(..duplicate.start)?;
    let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    let header = text.get(begin..)?.lines().next()?.trim();
    if !header.starts_with('[') {
        return None;
    }
    let mut at = 0;
    for line in before.get(..begin)?.split_inclusive('\n') {
        if line.trim() == header {
            let start = at + line.find('[')?;
            return Some(start..start + header.len());
        }
        at += line.len();
    }
    None
}

/// The key that a duplicate repeats: the last of its name before it, among those
/// that begin a line if the duplicate does.
fn key_before(document: &DeTable, text: &str, duplicate: &Span) -> Option<Span> {
    let begins_line = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        let line = before.trim_end_matches([' ', '\t']);
        line.is_empty() || line.ends_with('\n')
    };
    let name = text.get(duplicate.clone())?;
    let outer = begins_line(duplicate.start);
    let mut last: Option<Span> = None;
    let mut tables = vec![document];
    while let Some(table) = tables.pop() {
        for (key, value) in table.iter() {
            let span = key.span();
            if text.get(span.clone()) == Some(name)
                && span.end <= duplicate.start
                && (!outer || begins_line(span.start))
                && last.as_ref().is_none_or(|last| last.start < span.start)
            {
                last = Some(span);
            }
            match value.get_ref() {
                DeValue::Table(table) => tables.push(table),
                DeValue::Array(array) => {
                    tables.extend(array.iter().filter_map(|value| match value.get_ref() {
                        DeValue::Table(table) => Some(table),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
    }
    last
}

/// What the parser says, as what is wrong and what would be right.
fn explain(message: &str) -> (&str, String) {
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message, None),
    };
    match (what, expected) {
        (DUPLICATE, _) => ("the key is already there", "keep one of the two".to_owned()),
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
