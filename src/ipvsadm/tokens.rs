// SPDX-License-Identifier: GPL-2.0-only
//! Splits a line into words like a shell: with quotes, and with `#` at the
//! beginning of a word for a comment.

use crate::config::diagnostics::{Mistake, Mistakes, Span};

/// A word without its quotes, and its place including the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub text: String,
    pub span: Span,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub words: Vec<Word>,
    /// The comment without its `#`.
    pub comment: Option<String>,
}

/// Splits the line. `at`: the byte offset at which the line begins.
pub(super) fn split(line: &str, at: usize, mistakes: &Mistakes) -> Line {
    let mut split = Line::default();
    let mut letters = line.char_indices().peekable();
    skip_blanks(&mut letters);
    while let Some((begin, letter)) = letters.next_if(|(_, letter)| !letter.is_whitespace()) {
        if letter == '#' {
            let comment = line.get(begin + 1..).unwrap_or_default();
            split.comment = Some(comment.trim().to_owned());
            return split;
        }
        let mut text = String::new();
        let mut end = begin;
        let mut quote = None;
        let mut next = Some((begin, letter));
        while let Some((index, letter)) = next {
            end = index + letter.len_utf8();
            match (letter, quote) {
                ('"' | '\'', None) => quote = Some((letter, index)),
                (letter, Some((open, _))) if letter == open => quote = None,
                (letter, _) => text.push(letter),
            }
            next = letters.next_if(|(_, letter)| quote.is_some() || !letter.is_whitespace());
        }
        let span = at + begin..at + end;
        if let Some((open, index)) = quote {
            mistakes.add(Mistake::new(
                &(at + index..at + end),
                format!("the quote {open} is not closed in this line"),
                "close it, or remove it: no word of ipvsadm needs one",
            ));
        }
        split.words.push(Word { text, span });
        skip_blanks(&mut letters);
    }
    split
}

fn skip_blanks(letters: &mut std::iter::Peekable<std::str::CharIndices<'_>>) {
    while letters
        .next_if(|(_, letter)| letter.is_whitespace())
        .is_some()
    {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> (Vec<String>, Option<String>) {
        let mistakes = Mistakes::default();
        let line = split(line, 0, &mistakes);
        assert!(mistakes.into_diagnostics("", "").is_none());
        let words = line.words.into_iter().map(|word| word.text).collect();
        (words, line.comment)
    }

    #[test]
    fn words_are_cut_as_a_shell_does() {
        for (line, expected, comment) in [
            ("", vec![], None),
            (" \t\r", vec![], None),
            (
                "-A  -t\t10.0.0.1:80 ",
                vec!["-A", "-t", "10.0.0.1:80"],
                None,
            ),
            ("  -s \"w\"'r'r", vec!["-s", "wrr"], None),
            ("''", vec![""], None),
            ("'a b' \"c'd\"", vec!["a b", "c'd"], None),
            ("# all of it", vec![], Some("all of it")),
            ("-C # the rest", vec!["-C"], Some("the rest")),
            ("-C a#b", vec!["-C", "a#b"], None),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            let comment = comment.map(str::to_owned);
            assert_eq!(words(line), (expected, comment), "{line}");
        }
    }

    #[test]
    fn a_words_place_includes_its_quotes() {
        let line = split(" ü \"a\" b", 10, &Mistakes::default());
        let spans: Vec<Span> = line.words.into_iter().map(|word| word.span).collect();
        assert_eq!(spans, [11..13, 14..17, 18..19]);
    }

    #[test]
    fn an_open_quote_is_a_mistake() {
        let mistakes = Mistakes::default();
        split("-s \"rr", 0, &mistakes);
        assert_eq!(mistakes.into_diagnostics("", "-s \"rr").unwrap().count(), 1);
    }
}
