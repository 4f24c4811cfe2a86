// SPDX-License-Identifier: GPL-2.0-only
//! The syntax of keepalived.conf(5): a line is a keyword with its words, and a block in
//! braces belongs to the line before it. `#` and `!` begin comments.

use crate::config::diagnostics::{Mistake, Mistakes, Span};

/// The deepest nesting that is read. keepalived's own is four.
const DEEPEST: usize = 16;

/// A word without its quotes, and its place.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub text: String,
    pub span: Span,
}

/// A line with its block. It has at least one word.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    words: Vec<Word>,
    pub block: Vec<Entry>,
    has_block: bool,
    /// From 1.
    pub line: usize,
}

impl Entry {
    pub fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    pub fn span(&self) -> Span {
        self.words.first().map_or(0..0, |word| word.span.clone())
    }

    /// The words after the keyword.
    pub fn values(&self) -> &[Word] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Every word of the line.
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// The entry in a comment: the whole line, or the keyword of a block.
    pub fn shown(&self) -> String {
        let words = self.words.iter().map(|word| word.text.as_str());
        let words: Vec<&str> = words.take(if self.has_block { 2 } else { 8 }).collect();
        words.join(" ")
    }
}

enum Token {
    Word(Word),
    Open(Span),
    Close(Span),
    End,
}

/// Reads the text. Mistakes in the syntax end the reading.
pub(super) fn read(text: &str, mistakes: &Mistakes) -> Vec<Entry> {
    // The blocks that are open, the outermost first.
    let mut open: Vec<Vec<Entry>> = vec![Vec::new()];
    let mut braces: Vec<Span> = Vec::new();
    let mut at = 0;
    for (number, whole) in text.split_inclusive('\n').enumerate() {
        let mut words: Vec<Word> = Vec::new();
        for token in tokens(whole, at) {
            if let Token::Word(word) = token {
                words.push(word);
                continue;
            }
            if let Some(entry) = entry(&mut words, number + 1, mistakes)
                && let Some(block) = open.last_mut()
            {
                block.push(entry);
            }
            match token {
                Token::Open(span) => {
                    let owner = open.last_mut().and_then(|block| block.last_mut());
                    let Some(owner) = owner.filter(|_| open_is_allowed(&braces)) else {
                        mistakes.add(Mistake::new(
                            &span,
                            "no line before this brace can have a block",
                            "write the keyword before it",
                        ));
                        return Vec::new();
                    };
                    owner.has_block = true;
                    braces.push(span);
                    open.push(Vec::new());
                }
                Token::Close(span) => {
                    let block = open.pop().filter(|_| braces.pop().is_some());
                    let owner = open.last_mut().and_then(|block| block.last_mut());
                    let (Some(block), Some(owner)) = (block, owner) else {
                        mistakes.add(Mistake::new(
                            &span,
                            "no block is open here",
                            "remove the brace, or open the block before it",
                        ));
                        return Vec::new();
                    };
                    owner.block = block;
                }
                Token::Word(_) | Token::End => {}
            }
        }
        at += whole.len();
    }
    if let Some(span) = braces.last() {
        mistakes.add(Mistake::new(
            span,
            "this block is not closed",
            "close it with a `}`",
        ));
        return Vec::new();
    }
    open.pop().unwrap_or_default()
}

fn open_is_allowed(braces: &[Span]) -> bool {
    braces.len() < DEEPEST
}

/// Takes the words of a line. Returns nothing if there are none.
fn entry(words: &mut Vec<Word>, line: usize, mistakes: &Mistakes) -> Option<Entry> {
    let words = std::mem::take(words);
    let special = |word: &&Word| word.text.contains('$') || word.text.starts_with(['@', '~']);
    if let Some(word) = words.iter().find(special) {
        mistakes.add(Mistake::new(
            &word.span,
            "`import` does not support keepalived's definitions and conditions",
            "write the value itself, or remove the line",
        ));
    }
    (!words.is_empty()).then_some(Entry {
        words,
        block: Vec::new(),
        has_block: false,
        line,
    })
}

/// The tokens of a line. `at`: the byte offset at which the line begins.
fn tokens(line: &str, at: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = line.char_indices().peekable();
    while let Some((begin, letter)) = letters.next() {
        let here = at + begin..at + begin + letter.len_utf8();
        match letter {
            '#' | '!' => break,
            '{' => tokens.push(Token::Open(here)),
            '}' => tokens.push(Token::Close(here)),
            letter if letter.is_whitespace() => {}
            quote @ ('"' | '\'') => {
                let mut word = Word {
                    text: String::new(),
                    span: here,
                };
                for (index, letter) in letters.by_ref() {
                    word.span.end = at + index + letter.len_utf8();
                    if letter == quote {
                        break;
                    }
                    word.text.push(letter);
                }
                tokens.push(Token::Word(word));
            }
            letter => {
                let mut word = Word {
                    text: letter.to_string(),
                    span: here,
                };
                let goes_on = |(_, letter): &(usize, char)| {
                    !letter.is_whitespace() && !matches!(letter, '{' | '}')
                };
                while let Some((index, letter)) = letters.next_if(goes_on) {
                    word.span.end = at + index + letter.len_utf8();
                    word.text.push(letter);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens.push(Token::End);
    tokens
}
