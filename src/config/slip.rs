// SPDX-License-Identifier: GPL-2.0-only
//! Lines that follow the syntax of another language instead of TOML. An edit is
//! suggested only if the line parses after it.

use std::ops::Range;

use toml::de::DeTable;

use super::diagnostics::{Mistake, Span};
use super::reader::literal;

/// The longest line that is examined, in bytes.
const LONGEST: usize = 4096;

/// A line of the text.
pub(super) struct Line<'t> {
    /// The byte offset at which the line begins.
    pub at: usize,
    pub text: &'t str,
}

/// An edit of a line, and the reason for it.
struct Edit {
    range: Range<usize>,
    text: String,
    message: String,
    help: String,
}

/// Returns the line that contains a mistake, unless it is too long.
pub(super) fn line_of<'t>(text: &'t str, mistake: &Span) -> Option<Line<'t>> {
    let before = text.get(..mistake.start)?;
    let at = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(at..)?.lines().next()?;
    (line.len() <= LONGEST).then_some(Line { at, text: line })
}

/// Finds the slip in a line that the parser refused.
pub(super) fn find(line: &Line, table: &str) -> Option<Mistake> {
    [blanks, quotes, slashes, colon, end, bare]
        .into_iter()
        .filter_map(|look| look(line.text, table))
        // A suggestion is printed, and must not control a terminal.
        .find(|edit| !edit.help.contains(char::is_control) && parses(line.text, edit))
        .map(|edit| {
            let span = line.at + edit.range.start..line.at + edit.range.end;
            Mistake::new(&span, edit.message, edit.help).fix(&span, edit.text)
        })
}

fn parses(line: &str, edit: &Edit) -> bool {
    let mut fixed = line.to_owned();
    fixed.replace_range(edit.range.clone(), &edit.text);
    DeTable::parse(&fixed).is_ok()
}

/// Finds blanks that are not ASCII, and characters without width.
fn blanks(line: &str, _: &str) -> Option<Edit> {
    let odd = |letter: char| {
        !letter.is_ascii() && letter.is_whitespace()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
    };
    let start = line.find(odd)?;
    let first = line.get(start..)?.chars().next()?;
    let end = line.rfind(odd)?;
    let end = end + line.get(end..)?.chars().next()?.len_utf8();
    let text: String = line
        .get(start..end)?
        .chars()
        .map(|letter| if odd(letter) { ' ' } else { letter })
        .collect();
    let name = match first {
        '\u{a0}' => "a no-break space",
        _ => "an invisible character, or one that looks like a space",
    };
    Some(Edit {
        range: start..end,
        text,
        message: format!("{name} (U+{:04X})", u32::from(first)),
        help: "write a space".to_owned(),
    })
}

/// Finds typographic quotes: “wlc”.
fn quotes(line: &str, _: &str) -> Option<Edit> {
    const QUOTES: [char; 10] = ['“', '”', '„', '‟', '‘', '’', '‚', '«', '»', '″'];
    let start = line.find(QUOTES)?;
    let end = line.rfind(QUOTES)?;
    let end = end + line.get(end..)?.chars().next()?.len_utf8();
    let text = line.get(start..end)?.replace(QUOTES, "\"");
    Some(Edit {
        range: start..end,
        help: format!("write `{text}`"),
        text,
        message: "these are typographic quotes".to_owned(),
    })
}

/// Finds `// comment` where a comment can begin.
fn slashes(line: &str, _: &str) -> Option<Edit> {
    let (start, _) = line.match_indices("//").find(|(at, _)| {
        let before = line.get(..*at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    })?;
    Some(Edit {
        range: start..start + 2,
        text: "#".to_owned(),
        message: "a comment begins with `#`".to_owned(),
        help: "write `#` for `//`".to_owned(),
    })
}

/// Finds `key: value`.
fn colon(line: &str, table: &str) -> Option<Edit> {
    let (key, rest) = line.split_once(':')?;
    let name = key.trim();
    let is_key = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if !is_key {
        return None;
    }
    let value = rest.trim();
    let right = format!("{name} = {}", value_of(name, value, table));
    let begin = key.len() - key.trim_start().len();
    Some(Edit {
        range: begin..line.trim_end().len(),
        help: format!("write `{right}`"),
        text: right,
        message: "`=` is between a key and its value, not `:`".to_owned(),
    })
}

/// Finds `weight = 3;`.
fn end(line: &str, _: &str) -> Option<Edit> {
    let code = line.split('#').next()?.trim_end();
    let mark = code
        .chars()
        .next_back()
        .filter(|mark| ";,".contains(*mark))?;
    Some(Edit {
        range: code.len() - 1..code.len(),
        text: String::new(),
        message: format!("a line does not end with `{mark}`"),
        help: format!("remove the `{mark}`"),
    })
}

/// Finds `scheduler = rr` and `one_packet = yes`.
fn bare(line: &str, table: &str) -> Option<Edit> {
    let (key, rest) = line.split_once('=')?;
    let value = rest.split('#').next()?.trim();
    if value.is_empty() || value.contains(['"', '\'', '[', '{', '=']) {
        return None;
    }
    let right = value_of(key.trim(), value, table);
    let begin = key.len() + 1 + (rest.len() - rest.trim_start().len());
    Some(Edit {
        range: begin..begin + value.len(),
        message: match right.starts_with('"') {
            true => "a string needs quotes".to_owned(),
            false => format!("`{value}` is not a word of TOML"),
        },
        help: format!("write `{right}`"),
        text: right,
    })
}

/// Returns a value without quotes in the form that the key takes.
fn value_of(key: &str, value: &str, table: &str) -> String {
    let on = match value.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" => true,
        "no" | "false" | "off" => false,
        _ if DeTable::parse(&format!("a = {value}")).is_ok() => return value.to_owned(),
        _ => return literal(value),
    };
    match (key, table) {
        ("one_packet", _) => on.to_string(),
        (_, "sysctl") => u8::from(on).to_string(),
        _ => literal(value),
    }
}
