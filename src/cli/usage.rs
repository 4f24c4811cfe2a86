// SPDX-License-Identifier: GPL-2.0-only
//! Arguments → [`Cli`]. Where a small change makes wrong arguments right, the
//! error says so; only arguments that parse are suggested.

use std::env;
use std::process::exit;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Error, Parser};

use super::Cli;

/// Exit status of wrong arguments. Not clap's 2, with which `plan` says that there are
/// changes.
const WRONG: i32 = 1;

/// Wrong arguments end the process here, as `--help` does.
pub fn parse() -> Cli {
    let words = env::args_os();
    Cli::try_parse().unwrap_or_else(|mut error| {
        let words: Vec<String> = words
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        if let Some(meant) = meant(&error, words.get(1..).unwrap_or_default()) {
            let tip = format!("did you mean `ipvs-bpf {}`?", meant.join(" "));
            error.insert(
                ContextKind::Suggested,
                ContextValue::StyledStrs(vec![tip.into()]),
            );
        }
        // If the stream is closed, there is no way to report that.
        let _ = error.print();
        exit(if error.use_stderr() { WRONG } else { 0 })
    })
}

/// The arguments that were probably meant; without the program's name.
fn meant(error: &Error, words: &[String]) -> Option<Vec<String>> {
    let kinds = [ErrorKind::UnknownArgument, ErrorKind::ValueValidation];
    // Text that a shell would cut must not be pasted.
    if !kinds.contains(&error.kind()) || words.iter().any(|word| word.contains([' ', '`'])) {
        return None;
    }
    candidates(words).find(|words| {
        Cli::try_parse_from(std::iter::once("ipvs-bpf").chain(words.iter().map(String::as_str)))
            .is_ok()
    })
}

/// Each word as the file, each file behind the command, each count of seconds
/// with its `=`.
fn candidates(words: &[String]) -> impl Iterator<Item = Vec<String>> + '_ {
    (0..words.len()).flat_map(move |at| {
        let with = |change: fn(&mut Vec<String>, usize)| {
            let mut words = words.to_vec();
            change(&mut words, at);
            words
        };
        let (word, next) = (words.get(at), words.get(at + 1));
        let file = matches!(word.map(String::as_str), Some("-f" | "--file")) && next.is_some();
        let watch = word.is_some_and(|word| word == "--watch") && next.is_some();
        [
            (at > 0).then(|| with(|words, at| words.insert(at, "-f".to_owned()))),
            file.then(|| {
                with(|words, at| {
                    let file: Vec<String> = words.drain(at..at + 2).collect();
                    let behind = (at + 1).min(words.len());
                    words.splice(behind..behind, file);
                })
            }),
            watch.then(|| {
                with(|words, at| {
                    let seconds = words.remove(at + 1);
                    words.insert(at, format!("--watch={seconds}"));
                    words.remove(at + 1);
                })
            }),
        ]
        .into_iter()
        .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggested(line: &str) -> Option<String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let error = Cli::try_parse_from(std::iter::once("ipvs-bpf").chain(line.split_whitespace()));
        Some(meant(&error.unwrap_err(), &words)?.join(" "))
    }

    #[test]
    fn arguments_that_would_be_right_are_suggested() {
        for (line, meant) in [
            ("validate lb.toml", "validate -f lb.toml"),
            (
                "plan --keep-weights lb.toml",
                "plan --keep-weights -f lb.toml",
            ),
            ("-f lb.toml validate", "validate -f lb.toml"),
            ("--file lb.toml plan --json", "plan --file lb.toml --json"),
            ("show --watch 5", "show --watch=5"),
            ("show --watch 5 --rate", "show --watch=5 --rate"),
        ] {
            assert_eq!(suggested(line).as_deref(), Some(meant), "{line}");
        }
        for line in ["flush lb.toml", "show 5", "validate --nothing"] {
            assert_eq!(suggested(line), None, "{line}");
        }
    }
}
