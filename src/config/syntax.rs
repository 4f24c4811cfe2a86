// SPDX-License-Identifier: GPL-2.0-only
//! Parses text into TOML tables. After a syntax error the recovered keys may be
//! in the wrong table, so other checks are skipped.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostics, Mistake, Mistakes, Span};
use super::foreign;
use super::slip::{self, Line};

/// A smaller text gets every syntax error reported, a larger one only the first.
/// A text that contains only errors would take hundreds of times its size.
const SMALL: usize = 1024 * 1024;

/// The number of duplicate keys whose first place is searched for. Each search
/// walks through the file.
const SEARCHED: usize = 100;
/// The parser's message for a duplicate key.
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
    // One line is reported once, even if the parser has several errors for it.
    let mut explained = BTreeSet::new();
    for (index, error) in errors.into_iter().enumerate() {
        let span = error.span().unwrap_or(0..0);
        if array_is_open(text, &span, error.message()) {
            mistakes.add(Mistake::new(
                &span,
                "an array that begins above is not closed here",
                "close it with `]` before this line",
            ));
            // The parser took the rest of the file as elements of the array.
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

/// Explains a header that the parser reports as a duplicate key.
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
                let message = "this is not an element of the list `service`";
                Some(Mistake::new(&single, message, help).fix(&single, "[[service]]"))
            }
        }
        "[service]" if text.get(..line.at)?.contains("[[service]]") => {
            let help = "write it with double brackets: `[[service]]`";
            let message = "this is not an element of the list `service`";
            Some(Mistake::new(&span, message, help).fix(&span, "[[service]]"))
        }
        _ => None,
    }
}

/// Reports a server without a service above it.
pub(super) fn server_alone(span: &Span) -> Mistake {
    Mistake::new(
        span,
        "a server is listed before its service",
        "put it below its `[[service]]`",
    )
}

/// Finds the header that a duplicate repeats.
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

/// Finds the key that a duplicate repeats. This is the last key of the same name
/// before it. If the duplicate begins a line, the key must begin a line as well.
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

/// Converts the parser's message to a problem and a correct form.
fn explain(message: &str) -> (&str, String) {
    let (what, expected) = match message.split_once(", expected ") {
        Some((what, expected)) => (what, Some(expected)),
        None => (message, None),
    };
    match (what, expected) {
        (DUPLICATE, _) => ("the key is already set", "keep one of the two".to_owned()),
        // The parser has both messages for a word without quotes.
        ("invalid boolean" | "string values must be quoted", _) => (
            "it is not a value",
            "write a string in quotes: \"…\"".to_owned(),
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

/// Returns true if an array is still open: the parser met a header or `key =
/// value` as the next element.
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
