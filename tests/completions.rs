// SPDX-License-Identifier: GPL-2.0-only
//! Completions in the real shells. Checks that subcommands, options and values complete
//! as a user expects. `tests/e2e/completions.rs` checks completions from the kernel's
//! state.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[path = "completions/bash.rs"]
mod bash;

/// Writes the script of a shell into a folder of its own.
fn script(shell: &str, name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
        .args(["completions", shell])
        .output()
        .unwrap();
    assert!(output.status.success());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(shell);
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, output.stdout).unwrap();
    path
}

fn run(shell: &str, arguments: &[&str]) -> String {
    // The scripts call the program that the user would start.
    let program = Path::new(env!("CARGO_BIN_EXE_ipvs-bpf")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let output = Command::new(shell)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{shell}: {error}; `make deps` installs it"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{shell}: {stderr}");
    assert_eq!(stderr, "", "{shell}");
    String::from_utf8(output.stdout).unwrap()
}

/// A line at whose end Tab is pressed, the completions that it must have, and those that
/// it must not have.
type Case = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const CASES: &[Case] = &[
    ("ipvs-bpf dr", &["drain"], &["down", "weight"]),
    (
        "ipvs-bpf drain --",
        &["--timeout", "--remove", "--netns"],
        &["--yes"],
    ),
    ("ipvs-bpf flush --y", &["--yes"], &["--json"]),
    ("ipvs-bpf apply --file READ", &["README.md"], &["Makefile"]),
    ("ipvs-bpf completions z", &["zsh"], &["bash"]),
    // Nothing is printed if there is nothing to offer or no permission to ask.
    ("ipvs-bpf drain tcp://", &[], &["--timeout"]),
    ("ipvs-bpf drain --netns nowhere t", &[], &["--timeout"]),
    ("ipvs-bpf show --sort ", &["service", "weight"], &["inbps"]),
    (
        "ipvs-bpf show --rate --sort in",
        &["inbps", "inpps"],
        &["weight"],
    ),
    (
        "ipvs-bpf show --local-ips --reverse --sort ports",
        &["ports-used"],
        &["towards"],
    ),
];
/// Bash treats `--sort` and `=` as separate words.
const BASH: &[Case] = &[("ipvs-bpf show --sort=sch", &["scheduler"], &["service"])];
/// The other shells replace the whole word.
const OTHERS: &[Case] = &[("ipvs-bpf show --sort=sch", &["--sort=scheduler"], &[])];

fn check(shell: &str, cases: &[Case], mut complete: impl FnMut(&str) -> String) {
    for (line, some, none) in cases {
        let found = complete(line);
        let has = |word: &&&str| found.split_whitespace().any(|found| found == **word);
        assert!(
            some.iter().all(|word| has(&word)),
            "{shell}: {line}: {found}"
        );
        assert!(
            !none.iter().any(|word| has(&word)),
            "{shell}: {line}: {found}"
        );
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    let path = script("bash", "ipvs-bpf");
    check("bash", &[CASES, BASH].concat(), |line| {
        let words = bash::program(&format!("source {}", path.display()), line);
        run("bash", &["--norc", "-c", &words])
    });
}

#[test]
fn fish_completes_commands_options_and_values() {
    let path = script("fish", "ipvs-bpf.fish");
    check("fish", &[CASES, OTHERS].concat(), |line| {
        let words = format!("source {}; complete --do-complete '{line}'", path.display());
        run("fish", &["--no-config", "-c", &words])
    });
}

/// Presses Tab in an interactive zsh at a pseudo-terminal. The matches of its completion
/// are printed instead of shown in a menu.
#[test]
fn zsh_completes_commands_options_and_values() {
    let path = script("zsh", "_ipvs-bpf");
    let folder = path.parent().unwrap();
    check("zsh", &[CASES, OTHERS].concat(), |line| {
        let words = format!(
            r#"
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT= fpath=({folder} \$fpath); autoload -Uz compinit; compinit -u -d {folder}/dump"
zpty -w shell 'compadd() {{ local -a found; builtin compadd -O found "$@"; print -l "" $found; builtin compadd "$@" }}'
zpty -w shell 'bindkey "^I" complete-word; bindkey "^X" kill-whole-line; print -r -- "REA""DY"'
zpty -r shell output '*READY*'
zpty -n -w shell $'{line}\t\C-x'
zpty -w shell 'print -r -- "E""ND"'
zpty -r shell output '*END*'
zpty -d shell
print -r -- "$output"
"#,
            folder = folder.display()
        );
        run("timeout", &["60", "zsh", "-f", "-c", &words])
    });
}
