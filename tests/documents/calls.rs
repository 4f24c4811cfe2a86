// SPDX-License-Identifier: GPL-2.0-only
//! Program calls in the sentences of the documents: targets of make, usages of ipvs-bpf,
//! tests, and other tools.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap::error::ErrorKind;
use ipvs_bpf::cli::Cli;

use crate::elsewhere::BY_HAND;
use crate::markdown::{ROOT, documents};
use crate::read;

#[test]
fn every_target_of_make_that_is_named_is_one() {
    let makefile = read("Makefile");
    let mut count = 0;
    for document in documents() {
        for (line, words) in &document.code {
            let Some(rest) = words.strip_prefix("make ") else {
                continue;
            };
            for target in rest.split_whitespace().filter(|word| !word.contains('=')) {
                let found = makefile
                    .lines()
                    .any(|line| line.starts_with(&format!("{target}:")));
                assert!(found, "{}:{line}: make {target}", document.path);
                count += 1;
            }
        }
    }
    assert!(count > 10, "{count}");
}

/// Other tools whose usage is described in sentences.
const PROGRAMS: [&str; 7] = [
    "dkms",
    "journalctl",
    "mokutil",
    "nft",
    "sysctl",
    "systemctl",
    "systemd-analyze",
];

/// Folders and files that run commands or tell users to run them.
const RUNNERS: [&str; 6] = ["tests", "lab", ".ci", "src", "packaging", "Makefile"];

pub fn lines_below(path: &Path, lines: &mut Vec<String>) {
    if path.ends_with("tests/documents") {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            lines_below(&entry.unwrap().path(), lines);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        lines.extend(text.lines().map(str::to_owned));
    }
}

#[test]
fn every_call_of_another_program_in_a_sentence_is_made_somewhere() {
    let mut lines = Vec::new();
    for runner in RUNNERS {
        lines_below(&Path::new(ROOT).join(runner), &mut lines);
    }
    let mut count = 0;
    for document in documents() {
        for (line, words) in &document.code {
            let by_hand = BY_HAND.iter().any(|(command, _)| command == words);
            let call: Vec<&str> = words.split_whitespace().collect();
            let program = call.first().is_some_and(|first| PROGRAMS.contains(first));
            if by_hand || !program || call.len() == 1 {
                continue;
            }
            let makes = |line: &String| call.iter().all(|word| line.contains(word));
            let place = format!("{}:{line}: {words}", document.path);
            assert!(lines.iter().any(makes), "{place}: nothing does that");
            count += 1;
        }
    }
    assert!(count > 8, "{count}");
}

/// `cargo test --test NAME`: `make test` runs all of them.
#[test]
fn every_test_that_is_named_is_one() {
    let mut count = 0;
    for document in documents() {
        for (line, words) in &document.code {
            let Some((_, rest)) = words.split_once("cargo test --test ") else {
                continue;
            };
            let name = rest.split_whitespace().next().unwrap();
            let tests = Path::new(ROOT).join("tests");
            let there = tests.join(name).is_dir() || tests.join(format!("{name}.rs")).exists();
            assert!(there, "{}:{line}: {words}", document.path);
            count += 1;
        }
    }
    assert!(count > 3, "{count}");
}

/// A sentence can leave out arguments, such as a file or a service.
#[test]
fn every_usage_of_ipvs_bpf_in_a_sentence_is_understood() {
    let mut count = 0;
    for document in documents() {
        for (line, words) in &document.code {
            let words = words.split_whitespace().filter(|word| *word != "…");
            let words: Vec<&str> = words.collect();
            if words.first() != Some(&"ipvs-bpf") || words.len() == 1 || words.contains(&"|") {
                continue;
            }
            if let Err(error) = Cli::command().try_get_matches_from(&words) {
                let fine = matches!(
                    error.kind(),
                    ErrorKind::MissingRequiredArgument
                        | ErrorKind::DisplayHelp
                        | ErrorKind::DisplayVersion
                );
                assert!(fine, "{}:{line}: {error}", document.path);
            }
            count += 1;
        }
    }
    assert!(count > 5, "{count}");
}
