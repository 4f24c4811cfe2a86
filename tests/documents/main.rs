// SPDX-License-Identifier: GPL-2.0-only
//! README.md and docs/*.md say what is: every command is run by something, every
//! file that they show is good, every name and link leads somewhere.

mod calls;
mod elsewhere;
mod markdown;
mod names;
mod picture;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command as Process;

use ipvs_bpf::config;

use elsewhere::ELSEWHERE;
use markdown::{Block, Command, ROOT, documents};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).expect(path)
}

/// Those of all documents, with document and line.
fn commands() -> Vec<(String, Command)> {
    let mut commands = Vec::new();
    for document in documents() {
        for command in document.blocks.iter().flat_map(Block::commands) {
            commands.push((format!("{}:{}", document.path, command.line), command));
        }
    }
    commands
}

#[test]
fn every_command_that_no_lab_can_run_is_run_by_the_file_that_is_said_to() {
    let commands = commands();
    assert!(commands.len() > 30, "{}", commands.len());
    for known in ELSEWHERE {
        let mut found = commands
            .iter()
            .filter(|(_, found)| found.text == known.command);
        let (place, found) = found.next().expect(known.command);
        assert_eq!(found.status, 0, "{place}: who runs it expects no other");
        let text = read(known.by);
        assert!(
            text.contains(known.words),
            "{} does not run: {}",
            known.by,
            known.command
        );
    }
}

#[test]
fn every_block_says_what_it_is() {
    for document in documents() {
        for block in &document.blocks {
            let place = format!("{}:{}", document.path, block.line);
            match &*block.language {
                "sh" | "console" => {
                    let host = block.name.as_deref().unwrap_or("director");
                    let known = ["director", "client", "server1", "server2"].contains(&host);
                    assert!(known, "{place}: {host} is no host of the lab");
                    assert!(!block.commands().is_empty(), "{place}");
                }
                "toml" | "json" | "yaml" | "conf" => {}
                // A drawing, or what a file reads.
                "text" => {
                    let mut lines = block.text.lines();
                    let command = lines.find(|line| line.starts_with(['#', '$']));
                    assert_eq!(command, None, "{place}: no command there");
                }
                other => panic!("{place}: a block of the language {other:?}"),
            }
        }
    }
}

#[test]
fn every_toml_file_in_a_document_is_accepted() {
    let mut count = 0;
    for document in documents() {
        for block in document.blocks.iter().filter(|b| b.language == "toml") {
            let place = format!("{}:{}", document.path, block.line);
            if let Err(mistakes) = config::parse(&place, &block.text) {
                panic!("{place}: {mistakes:?}");
            }
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}

#[test]
fn every_alert_in_a_document_is_accepted_by_promtool() {
    let mut count = 0;
    for document in documents() {
        for block in document.blocks.iter().filter(|b| b.language == "yaml") {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(block.text.as_bytes()).unwrap();
            let mut promtool = Process::new(Path::new(ROOT).join("lab/promtool"));
            let output = promtool.args(["check", "rules"]).arg(file.path()).output();
            let output = output.unwrap();
            let place = format!("{}:{}", document.path, block.line);
            assert!(output.status.success(), "{place}: {output:?}");
            count += 1;
        }
    }
    assert!(count >= 1);
}

#[test]
fn every_page_is_named_by_the_readme() {
    let documents = documents();
    let (readme, pages) = documents.split_first().unwrap();
    for page in pages {
        let named = readme.links.iter().any(|(_, link)| *link == page.path);
        assert!(named, "README.md: no link to {}", page.path);
    }
}
