// SPDX-License-Identifier: GPL-2.0-only
//! Completions, asked for in the real shells: a subcommand, an option and a
//! value complete as a person would have them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The script of a shell, in a folder of its own.
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
    let output = Command::new(shell)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{shell}: {error}; `make deps` installs it"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{shell}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// What completes a line at whose end Tab is pressed, and what does not.
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
];
/// What the generator for fish leaves out.
const VALUE: Case = ("ipvs-bpf completions z", &["zsh"], &["bash"]);

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
    check("bash", &[CASES, &[VALUE]].concat(), |line| {
        let words = format!(
            "source {}; read -ra COMP_WORDS <<<'{line}'; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             function=$(complete -p ipvs-bpf | grep -oP '(?<=-F )\\S+')
             $function ipvs-bpf \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            path.display()
        );
        run("bash", &["--norc", "-c", &words])
    });
}

#[test]
fn fish_completes_commands_and_options() {
    let path = script("fish", "ipvs-bpf.fish");
    check("fish", CASES, |line| {
        let words = format!("source {}; complete --do-complete '{line}'", path.display());
        run("fish", &["--no-config", "-c", &words])
    });
}

/// An interactive zsh at a pseudo-terminal, in which Tab is pressed; what its
/// completion would add is printed instead of being chosen from.
#[test]
fn zsh_completes_commands_options_and_values() {
    let path = script("zsh", "_ipvs-bpf");
    let folder = path.parent().unwrap();
    check("zsh", &[CASES, &[VALUE]].concat(), |line| {
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
