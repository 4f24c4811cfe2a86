// SPDX-License-Identifier: GPL-2.0-only
//! Fixes in help texts. Each piece of a file in backticks must be TOML. If such a piece
//! sets a key, adding it must not lead to another error.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use toml::Table;

use super::{cases, diagnostics_of};

#[test]
fn suggestions_in_messages_parse_and_lead_to_no_further_error() {
    let (mut pieces, mut edits) = (0, 0);
    let mut failures = Vec::new();
    for case in cases() {
        let text = text_of(&case);
        let before = diagnostics_of(&text);
        for record in &before {
            for piece in toml_of(record) {
                pieces += 1;
                if let Err(error) = piece.parse::<Table>() {
                    failures.push(format!("{case:?}: {record}: {error}"));
                    continue;
                }
                let Some(edited) = edited(&text, record, piece) else {
                    continue;
                };
                edits += 1;
                failures.extend(next_errors(&before, record, &edited, &case));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(pieces >= 30 && edits >= 20, "{pieces} and {edits}");
}

#[test]
fn values_that_messages_give_as_examples_lead_to_no_next_error() {
    let mut examples = 0;
    let mut failures = Vec::new();
    for case in cases() {
        let text = text_of(&case);
        let before = diagnostics_of(&text);
        for record in before.iter().filter(|record| record["fix"].is_null()) {
            let edits = values_of(record);
            let edits = edits
                .iter()
                .filter_map(|value| with_value(&text, record, value));
            let mut next = edits.map(|edited| next_errors(&before, record, &edited, &case));
            let Some(first) = next.next() else {
                continue;
            };
            examples += 1;
            // Each piece has another family or kind. One of them must be right.
            if !first.is_empty() && !next.any(|failures| failures.is_empty()) {
                failures.extend(first);
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(examples >= 30, "{examples}");
}

fn text_of(case: &Path) -> String {
    let text = fs::read_to_string(case).unwrap();
    text.trim_start_matches('\u{feff}').replace("\r\n", "\n")
}

/// The errors of the edited text that are new, after this record is removed.
fn next_errors(before: &[Json], record: &Json, edited: &str, case: &Path) -> Vec<String> {
    let mut left: Vec<&Json> = before.iter().map(|other| &other["message"]).collect();
    let gone = left.iter().position(|other| **other == record["message"]);
    left.remove(gone.unwrap());
    let mut failures = Vec::new();
    for after in diagnostics_of(edited) {
        match left.iter().position(|other| **other == after["message"]) {
            Some(index) => drop(left.remove(index)),
            None => failures.push(format!("{case:?}: {record}: then {after}\n{edited}")),
        }
    }
    failures
}

/// The texts in double quotes in a help text, without those in backticks.
fn values_of(record: &Json) -> Vec<&str> {
    let help = record["help"].as_str().unwrap();
    let prose = help.split('`').step_by(2);
    prose
        .flat_map(|prose| prose.split('"').skip(1).step_by(2))
        .collect()
}

/// The text with another value at the place of the mistake, if a string is there.
fn with_value(text: &str, record: &Json, value: &str) -> Option<String> {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let line = lines.get_mut(record["line"].as_u64()? as usize - 1)?;
    let column = record["column"].as_u64()? as usize - 1;
    let at = line.char_indices().nth(column)?.0;
    let inside = line[at..].strip_prefix('"')?;
    let end = at + 1 + inside.find('"')? + 1;
    line.replace_range(at..end, &format!("\"{value}\""));
    Some(lines.join("\n") + "\n")
}

/// The pieces of a file in a help text: those that set a key, and table headers.
fn toml_of(record: &Json) -> Vec<&str> {
    let help = record["help"].as_str().unwrap();
    let quoted = help.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| text.contains('=') || text.starts_with('['))
        // This shows the difference between an array of tables and a table.
        .filter(|text| !text.contains('…'))
        .collect()
}

/// The text with a key of that value at the place of the mistake: at the top, in the
/// braces of its line, or in its table. `None` for a header, which needs a table after
/// it, for placeholder names, and for mistakes that already have an edit.
fn edited(text: &str, record: &Json, piece: &str) -> Option<String> {
    let (key, value) = piece.split_once(" = ")?;
    let is_edit = !record["fix"].is_null();
    if is_edit || piece.starts_with('[') || value == "\"POOL\"" {
        return None;
    }
    let help = record["help"].as_str().unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = record["line"].as_u64()? as usize - 1;
    let is_header = |line: &String| line.trim_start().starts_with('[');
    if help.contains("at the top") {
        lines.insert(0, piece.to_owned());
    } else if help.contains("in a service") {
        let service = lines.iter().position(|line| line == "[[service]]")?;
        lines.insert(service + 1, piece.to_owned());
    } else if help.starts_with("add ") && lines[at].contains('{') {
        let end = lines[at].rfind('}')?;
        let comma = if lines[at].contains("{}") || lines[at].contains("{ }") {
            ""
        } else {
            ","
        };
        lines[at].insert_str(end, &format!("{comma} {piece} "));
    } else {
        let begin = lines[..=at]
            .iter()
            .rposition(is_header)
            .map_or(0, |header| header + 1);
        let end = lines[begin..].iter().position(is_header);
        let end = end.map_or(lines.len(), |end| begin + end);
        let sets = |line: &String| {
            let mut words = line.trim_start().splitn(2, '=');
            words.next().map(str::trim) == Some(key) && words.next().is_some()
        };
        match lines[begin..end].iter().position(sets) {
            Some(line) => lines[begin + line] = piece.to_owned(),
            None => lines.insert(begin, piece.to_owned()),
        }
    }
    Some(lines.join("\n") + "\n")
}
