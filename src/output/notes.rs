// SPDX-License-Identifier: GPL-2.0-only
//! Notes below the rows of a table: text that is wrapped, not cut.

use super::grid::{Grid, Row};
use super::table::cut;

/// Blanks before a note, where there is room for them.
const INDENT: usize = 8;

/// Inserts the notes of each row below its lines. The first line is the header.
pub(super) fn insert(
    lines: Vec<String>,
    grid: &Grid,
    notes: impl Fn(&Row) -> Vec<String>,
) -> Vec<String> {
    let mut lines = lines.into_iter();
    let mut all: Vec<String> = lines.by_ref().take(1).collect();
    for row in &grid.rows {
        all.extend(lines.by_ref().take(1 + row.servers.len()));
        all.extend(notes(row));
    }
    all
}

/// Returns the text as one line.
pub(super) fn indented(text: &str) -> String {
    format!("{:INDENT$}{text}", "")
}

/// Returns the text as lines that are at most as wide.
pub(super) fn wrapped(text: &str, width: u16) -> Vec<String> {
    let indent = INDENT.min(usize::from(width) / 2);
    let room = usize::from(width) - indent;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
        .into_iter()
        .map(|line| cut(format!("{:indent$}{line}", ""), width))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_between_words_and_a_longer_word_is_cut() {
        let text = "look for a routing loop between director and servers";
        assert_eq!(
            wrapped(text, 30),
            [
                "        look for a routing",
                "        loop between director",
                "        and servers",
            ]
        );
        assert_eq!(wrapped("forged", 8), ["    for…"]);
        for width in 0..60 {
            for line in wrapped(text, width) {
                assert!(line.chars().count() <= width.into(), "{width}: {line}");
            }
        }
    }
}
