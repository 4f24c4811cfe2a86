// SPDX-License-Identifier: GPL-2.0-only
//! Parses the options of ipvsadm in the forms that popt accepts: `-t ADDRESS`,
//! `-tADDRESS`, `-t=ADDRESS`, `--tcp-service ADDRESS`, `--tcp-service=ADDRESS`,
//! and several letters after one dash.

use super::tokens::Word;
use crate::config::diagnostics::{Mistake, Mistakes, Span};
use crate::config::spelling::{closest, quoted};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    Value,
    /// The next word is the value, unless it begins with a dash.
    Perhaps,
}

use Takes::{Nothing, Perhaps, Value};

/// The long name, the letter, and the kind of value.
const OPTIONS: &[(&str, Option<char>, Takes)] = &[
    ("add-service", Some('A'), Nothing),
    ("edit-service", Some('E'), Nothing),
    ("delete-service", Some('D'), Nothing),
    ("clear", Some('C'), Nothing),
    ("list", Some('L'), Nothing),
    ("list", Some('l'), Nothing),
    ("zero", Some('Z'), Nothing),
    ("add-server", Some('a'), Nothing),
    ("edit-server", Some('e'), Nothing),
    ("delete-server", Some('d'), Nothing),
    ("set", None, Nothing),
    ("help", Some('h'), Nothing),
    ("version", Some('v'), Nothing),
    ("restore", Some('R'), Nothing),
    ("save", Some('S'), Nothing),
    ("start-daemon", None, Value),
    ("stop-daemon", None, Value),
    ("tcp-service", Some('t'), Value),
    ("udp-service", Some('u'), Value),
    ("sctp-service", None, Value),
    ("fwmark-service", Some('f'), Value),
    ("scheduler", Some('s'), Value),
    ("persistent", Some('p'), Perhaps),
    ("netmask", Some('M'), Value),
    ("real-server", Some('r'), Value),
    ("masquerading", Some('m'), Nothing),
    ("ipip", Some('i'), Nothing),
    ("gatewaying", Some('g'), Nothing),
    ("weight", Some('w'), Value),
    ("u-threshold", Some('x'), Value),
    ("l-threshold", Some('y'), Value),
    ("numeric", Some('n'), Nothing),
    ("connection", Some('c'), Nothing),
    ("mcast-interface", None, Value),
    ("syncid", None, Value),
    ("timeout", None, Nothing),
    ("daemon", None, Nothing),
    ("stats", None, Nothing),
    ("rate", None, Nothing),
    ("thresholds", None, Nothing),
    ("persistent-conn", None, Nothing),
    ("tun-info", None, Nothing),
    ("nosort", None, Nothing),
    ("sort", None, Nothing),
    ("exact", Some('X'), Nothing),
    ("ipv6", Some('6'), Nothing),
    ("ops", Some('o'), Nothing),
    ("pe", None, Value),
    // For sh and mh with only flag-3, `ipvsadm -S` writes no value.
    ("sched-flags", Some('b'), Perhaps),
    ("mcast-group", None, Value),
    ("mcast-port", None, Value),
    ("mcast-ttl", None, Value),
    ("sync-maxlen", None, Value),
    ("tun-type", None, Value),
    ("tun-port", None, Value),
    ("tun-nocsum", None, Nothing),
    ("tun-csum", None, Nothing),
    ("tun-remcsum", None, Nothing),
];

/// An option as it was given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The long name.
    pub name: &'static str,
    /// The place of the word that names the option.
    pub span: Span,
    pub value: Option<Word>,
}

impl Given {
    /// Returns the place of the value, or of the option if it has no value.
    pub fn place(&self) -> &Span {
        self.value.as_ref().map_or(&self.span, |value| &value.span)
    }
}

/// The options of a line, and the words that are not options.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub given: Vec<Given>,
    pub arguments: Vec<Word>,
}

pub(super) fn read(words: Vec<Word>, mistakes: &Mistakes) -> Options {
    let mut options = Options::default();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if word.text == "--" {
            options.arguments.extend(words);
            break;
        }
        if let Some(long) = word.text.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            let known = OPTIONS.iter().find(|(known, ..)| *known == name);
            let Some((name, _, takes)) = known else {
                let names = OPTIONS.iter().map(|(name, ..)| *name);
                let help = closest(name, names).map(|meant| format!("--{meant}"));
                unknown(&word.span, &format!("--{name}"), help, mistakes);
                continue;
            };
            let inside = value.map(|text| Word {
                text,
                span: word.span.clone(),
            });
            give(
                &mut options,
                (name, *takes),
                word.span,
                inside,
                &mut words,
                mistakes,
            );
        } else if let Some(letters) = word.text.strip_prefix('-').filter(|it| !it.is_empty()) {
            let letters = letters.to_owned();
            bundle(&mut options, &letters, &word.span, &mut words, mistakes);
        } else {
            options.arguments.push(word);
        }
    }
    options
}

type Words = std::iter::Peekable<std::vec::IntoIter<Word>>;

/// Parses letters after one dash. The rest of the word is the value of a letter
/// that takes one.
fn bundle(
    options: &mut Options,
    letters: &str,
    span: &Span,
    words: &mut Words,
    mistakes: &Mistakes,
) {
    let mut left = letters.chars();
    while let Some(letter) = left.next() {
        let known = OPTIONS.iter().find(|(_, known, _)| *known == Some(letter));
        let Some((name, _, takes)) = known else {
            unknown(span, &format!("-{letter}"), None, mistakes);
            return;
        };
        let rest = left.as_str();
        if *takes == Nothing || rest.is_empty() {
            give(options, (name, *takes), span.clone(), None, words, mistakes);
            continue;
        }
        let text = rest.strip_prefix('=').unwrap_or(rest).to_owned();
        let inside = Some(Word {
            text,
            span: span.clone(),
        });
        give(
            options,
            (name, *takes),
            span.clone(),
            inside,
            words,
            mistakes,
        );
        return;
    }
}

fn unknown(span: &Span, option: &str, meant: Option<String>, mistakes: &Mistakes) {
    let help = meant.map_or_else(
        || "`ipvsadm --help` lists the options".to_owned(),
        |meant| format!("did you mean {}?", quoted(&meant)),
    );
    mistakes.add(Mistake::new(
        span,
        format!("ipvsadm has no option {}", quoted(option)),
        help,
    ));
}

/// `inside`: the value, if it is in the same word.
fn give(
    options: &mut Options,
    (name, takes): (&'static str, Takes),
    span: Span,
    inside: Option<Word>,
    words: &mut Words,
    mistakes: &Mistakes,
) {
    let value = match takes {
        Nothing => {
            if inside.is_some() {
                mistakes.add(Mistake::new(
                    &span,
                    format!("--{name} takes no value"),
                    format!("write --{name} alone"),
                ));
            }
            None
        }
        Perhaps => inside.or_else(|| words.next_if(|word| !word.text.starts_with('-'))),
        Value => {
            let value = inside.or_else(|| words.next());
            if value.is_none() {
                mistakes.add(Mistake::new(
                    &span,
                    format!("--{name} needs a value, but the line ends"),
                    "write it behind the option",
                ));
                return;
            }
            value
        }
    };
    options.given.push(Given { name, span, value });
}

#[cfg(test)]
mod tests {
    use super::super::tokens;
    use super::*;

    fn options(line: &str) -> Result<String, usize> {
        let mistakes = Mistakes::default();
        let options = read(tokens::split(line, 0, &mistakes).words, &mistakes);
        if let Some(diagnostics) = mistakes.into_diagnostics("", line) {
            return Err(diagnostics.count());
        }
        let given = options.given.into_iter().map(|given| match given.value {
            Some(value) => format!("{}={}", given.name, value.text),
            None => given.name.to_owned(),
        });
        let arguments = options.arguments.into_iter().map(|word| word.text);
        Ok(given.chain(arguments).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn long_and_short_options_are_the_same() {
        let expected = Ok("add-service tcp-service=a:80 scheduler=rr".to_owned());
        for line in [
            "-A -t a:80 -s rr",
            "--add-service --tcp-service a:80 --scheduler rr",
            "--add-service --tcp-service=a:80 --scheduler=rr",
            "-A -ta:80 -s=rr",
            "-At a:80 -srr",
        ] {
            assert_eq!(options(line), expected, "{line}");
        }
    }

    #[test]
    fn a_value_may_begin_with_a_dash_but_an_optional_one_may_not() {
        assert_eq!(options("-f -1"), Ok("fwmark-service=-1".to_owned()));
        assert_eq!(options("-p -o"), Ok("persistent ops".to_owned()));
        assert_eq!(options("-p 60 -o"), Ok("persistent=60 ops".to_owned()));
        assert_eq!(options("-p"), Ok("persistent".to_owned()));
    }

    #[test]
    fn words_that_are_not_options_are_arguments() {
        assert_eq!(options("--set 1 2 3"), Ok("set 1 2 3".to_owned()));
        assert_eq!(options("-C -- -A -"), Ok("clear -A -".to_owned()));
    }

    #[test]
    fn every_unknown_option_is_a_mistake() {
        for (line, count) in [
            ("--tcp", 1),
            ("-AQ -W --scheduler", 3),
            ("-r", 1),
            ("--ops=1", 1),
        ] {
            assert_eq!(options(line), Err(count), "{line}");
        }
    }
}
