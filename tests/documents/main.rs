// SPDX-License-Identifier: GPL-2.0-only
//! Checks README.md and docs/*/*.md: a test runs every command, every file that they show
//! is valid, and every name and link has a target.

mod calls;
mod elsewhere;
mod json;
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

/// The commands of all documents, with document and line.
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
                    assert!(known, "{place}: {host} is not a host of the lab");
                    assert!(!block.commands().is_empty(), "{place}");
                }
                "toml" | "json" | "yaml" | "conf" => {}
                // A drawing, or the contents of a file.
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
        // Those with a name are files of Kubernetes.
        let alerts = |block: &&Block| block.language == "yaml" && block.name.is_none();
        for block in document.blocks.iter().filter(alerts) {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(block.text.as_bytes()).unwrap();
            let mut promtool = Process::new(Path::new(ROOT).join("lab/software/promtool.sh"));
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
fn every_page_is_in_the_index_and_the_index_is_named_by_the_readme() {
    const INDEX: &str = "docs/index.md";
    let documents = documents();
    let links = |path: &str| -> Vec<String> {
        let page = documents.iter().find(|page| page.path == path).unwrap();
        page.links.iter().map(|(_, link)| link.clone()).collect()
    };
    assert!(links("README.md").contains(&INDEX.to_owned()));
    let index = links(INDEX);
    let pages = documents
        .iter()
        .filter(|page| page.path.starts_with("docs/"));
    for page in pages.filter(|page| page.path != INDEX) {
        let name = page.path.trim_start_matches("docs/");
        let named = index.iter().any(|link| link == name);
        assert!(named, "{INDEX}: no link to {name}");
    }
}
