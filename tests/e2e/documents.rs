// SPDX-License-Identifier: GPL-2.0-only
//! Runs the commands of README.md and docs/*/*.md, in the order of each page and in a lab
//! for each page. Commands read the files that the page shows by name.

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use crate::lab::{Lab, run, shared};

#[expect(dead_code, reason = "tests/documents/ looks at the rest")]
#[path = "../documents/elsewhere.rs"]
mod elsewhere;
#[path = "../documents/markdown.rs"]
pub mod markdown;

use elsewhere::{BY_HAND, ELSEWHERE};
use markdown::{Block, Command, Document, ROOT, documents};

/// The text of a file that a page shows.
pub fn file_on_page(path: &str, name: &str) -> String {
    let mut pages = documents().into_iter();
    let page = pages.find(|page| page.path == path).expect(path);
    let mut blocks = page.blocks.into_iter();
    blocks
        .find(|block| block.name.as_deref() == Some(name))
        .expect(name)
        .text
}

/// Runs the commands of a page that this file of the tests is listed for, where the page's
/// files are.
pub fn run_listed(lab: &Lab, path: &str, by: &str) {
    let mut pages = documents().into_iter();
    let page = pages.find(|page| page.path == path).expect(path);
    let folder = tempfile::tempdir().unwrap();
    let mut ran = 0;
    for block in &page.blocks {
        if let Some(name) = &block.name {
            fs::write(folder.path().join(name), &block.text).unwrap();
        }
        for command in &block.commands() {
            let mut known = ELSEWHERE.iter().filter(|known| known.by == by);
            if known.any(|known| known.command == command.text) {
                let result = run_command(lab, "director", folder.path(), command);
                result.unwrap_or_else(|error| panic!("{path}:{}: {error}", command.line));
                ran += 1;
            }
        }
    }
    assert!(ran > 0, "{path} has no command of {by}");
}

/// Runs the commands of a page that belong to the lab. Returns the failures.
fn run_page(page: &Document) -> Vec<String> {
    let commands = page.blocks.iter().flat_map(Block::commands);
    if commands.filter(in_lab).count() == 0 {
        return Vec::new();
    }
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let example = Path::new(ROOT).join("examples/lb.toml");
    fs::copy(example, folder.path().join("lb.toml")).unwrap();
    let mut wrong = Vec::new();
    for block in &page.blocks {
        match (&*block.language, &block.name) {
            ("sh" | "console", host) => {
                let host = host.as_deref().unwrap_or("director");
                for command in block.commands().iter().filter(|command| in_lab(command)) {
                    let place = format!("{}:{}: {}", page.path, command.line, command.text);
                    if let Err(error) = run_command(&lab, host, folder.path(), command) {
                        wrong.push(format!("{place}\n{error}"));
                    }
                }
            }
            (_, Some(name)) => fs::write(folder.path().join(name), &block.text).unwrap(),
            (_, None) => {}
        }
    }
    wrong
}

fn in_lab(command: &Command) -> bool {
    let elsewhere = ELSEWHERE.iter().map(|known| known.command);
    let mut others = elsewhere.chain(BY_HAND.iter().map(|(known, _)| *known));
    !others.any(|known| known == command.text)
}

/// Runs a command as an operator would in a shell on that host.
fn run_command(lab: &Lab, host: &str, folder: &Path, command: &Command) -> Result<(), String> {
    let program = Path::new(env!("CARGO_BIN_EXE_ipvs-bpf"));
    let folders = std::env::var("PATH").unwrap();
    let folders = format!("{}:{folders}", program.parent().unwrap().display());
    // `ip netns exec` would hide the BPF file system.
    let namespace = format!("--net=/run/netns/{}", lab.namespace(host));
    let output = Process::new("nsenter")
        .args([&*namespace, "bash", "-o", "pipefail", "-c", &command.text])
        .env("PATH", folders)
        .current_dir(folder)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(command.status) {
        return Err(format!("{}\n{stdout}{stderr}", output.status));
    }
    match &command.output {
        Some(expected) => matches(&stdout, expected),
        None => Ok(()),
    }
}

/// Lines and words must match the page. Ports and counts may differ.
fn matches(printed: &str, expected: &str) -> Result<(), String> {
    if words(printed) == words(expected) {
        return Ok(());
    }
    Err(format!("it printed:\n{printed}the page says:\n{expected}"))
}

/// The words of each line. Numbers count as equal, and so do the two states of a
/// session's fast path.
fn words(text: &str) -> Vec<String> {
    let line = |line: &str| line.split_whitespace().map(number).collect::<Vec<_>>();
    text.lines().map(|text| line(text).join(" ")).collect()
}

fn number(word: &str) -> String {
    if ["both", "original", "reply"].contains(&word) {
        return "-".to_owned();
    }
    let parts = word.split(|letter: char| letter.is_ascii_digit());
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.join("0")
}

#[test]
fn every_command_of_the_documents_does_in_the_lab_what_it_says() {
    let wrong: Vec<String> = documents().iter().flat_map(run_page).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_demonstration_comes_to_its_end() {
    let _module = shared();
    let mut demo = Process::new("lab/demo/demo.sh");
    let text = run(demo.env("IPVS_BPF", env!("CARGO_BIN_EXE_ipvs-bpf")));
    assert!(text.contains("nothing to do"), "{text}");
    // Eight answers, three of four from the first server, to the local IP.
    assert!(text.contains("6 server1\n"), "{text}");
    assert!(text.contains("8 10.2.0.100\n"), "{text}");
}
