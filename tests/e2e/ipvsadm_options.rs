// SPDX-License-Identifier: GPL-2.0-only
//! Checks the table "ipvsadm → ipvs-bpf" of docs/guides/ipvsadm.md row by row. The real ipvsadm
//! runs in one network namespace and ipvs-bpf in another. ipvsadm must list the same in
//! both.

mod commands;
mod listing;
mod servers;
mod services;
mod sync;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::lab::{inside, ipvs_bpf, run, shared, success};

/// A row of the table.
pub struct Row {
    /// The text of the first column.
    pub option: &'static str,
    /// The text of the second column.
    pub ours: &'static str,
    pub proof: Proof,
}

/// The lines are arguments of ipvsadm.
pub enum Proof {
    /// Starting from the same state, ipvsadm's lines and our commands give the same
    /// state.
    Same {
        begin: &'static [&'static str],
        theirs: &'static [&'static str],
        ours: &'static [Ours],
        listing: &'static str,
    },
    /// Both read the same rules.
    Restored(&'static str),
    /// Both print the same rules.
    Saved(&'static [&'static str]),
    /// Both listings show these words for the same rules.
    Shown {
        begin: &'static [&'static str],
        theirs: &'static str,
        ours: &'static str,
        both: &'static [&'static str],
    },
    /// A separate test with traffic.
    Test(#[expect(dead_code, reason = "naming it makes sure that it is there")] fn()),
}

pub enum Ours {
    Apply(&'static str),
    Run(&'static str),
}

fn rows() -> impl Iterator<Item = &'static Row> {
    commands::ROWS
        .iter()
        .chain(services::ROWS)
        .chain(servers::ROWS)
        .chain(listing::ROWS)
        .chain(sync::ROWS)
}

/// A network namespace with an interface `eth2` for sync daemons.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("option{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        run(Command::new("ip").args(["netns", "add", &name]));
        let setup = format!(
            "printf 'link set lo up\\nlink add eth2 type dummy\\n\
             addr add 10.9.0.1/24 dev eth2\\nlink set eth2 up\\n' | ip -n {name} -batch -"
        );
        run(Command::new("bash").args(["-o", "pipefail", "-c", &setup]));
        Namespace(name)
    }

    fn start(&self, command: &mut Command) -> String {
        let output = inside(&self.0, || command.stdin(Stdio::null()).output());
        success(&output.unwrap())
    }

    fn ipvsadm(&self, line: &str) -> String {
        self.start(Command::new("ipvsadm").args(line.split(' ')))
    }

    fn ipvsadm_all(&self, lines: &[&str]) {
        let commands = lines.iter().map(|line| format!("ipvsadm {line}\n"));
        self.shell(&format!("set -e\n{}", commands.collect::<String>()));
    }

    /// Resets to the state of a new namespace. A daemon that is not running cannot be
    /// stopped, so that error is ignored.
    fn reset(&self) {
        self.shell(
            "ipvsadm -C; ipvsadm --set 900 120 300
             for state in master backup; do ipvsadm --stop-daemon $state 2>/dev/null; done; true",
        );
    }

    /// Runs a pipeline in which `$cli` is our CLI.
    fn shell(&self, script: &str) -> String {
        let cli = ipvs_bpf().get_program().to_str().unwrap().to_owned();
        let mut command = Command::new("bash");
        self.start(
            command
                .args(["-o", "pipefail", "-c", script])
                .env("cli", cli),
        )
    }

    fn ours(&self, ours: &Ours) {
        match ours {
            Ours::Apply(toml) => {
                let path = format!("/tmp/{}.toml", self.0);
                fs::write(&path, toml).unwrap();
                self.run(&format!("apply -f {path}"));
            }
            Ours::Run(words) => {
                self.run(words);
            }
        }
    }

    fn run(&self, words: &str) -> String {
        let output = ipvs_bpf()
            .args(["--netns", &self.0])
            .args(words.split(' '))
            .output()
            .unwrap();
        success(&output)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// The lines without trailing blanks, unordered.
fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

fn prove(row: &Row, theirs: &Namespace, ours: &Namespace) {
    let option = row.option;
    theirs.reset();
    ours.reset();
    match &row.proof {
        Proof::Same {
            begin,
            theirs: commands,
            ours: our_commands,
            listing,
        } => {
            theirs.ipvsadm_all(begin);
            ours.ipvsadm_all(begin);
            let before = theirs.ipvsadm(listing);
            theirs.ipvsadm_all(commands);
            our_commands.iter().for_each(|command| ours.ours(command));
            let after = theirs.ipvsadm(listing);
            assert_ne!(before, after, "{option}: the test proves nothing");
            assert_eq!(lines(&ours.ipvsadm(listing)), lines(&after), "{option}");
        }
        Proof::Restored(text) => {
            theirs.shell(&format!("printf -- '{text}' | ipvsadm -R"));
            ours.shell(&format!(
                "printf -- '{text}' | $cli import | $cli apply -f -"
            ));
            let expected = lines(&theirs.ipvsadm("-Sn"));
            assert!(!expected.is_empty(), "{option}: the test proves nothing");
            assert_eq!(lines(&ours.ipvsadm("-Sn")), expected, "{option}");
        }
        Proof::Saved(begin) => {
            theirs.ipvsadm_all(begin);
            let expected = lines(&theirs.ipvsadm("-Sn"));
            assert_eq!(expected.len(), begin.len(), "{option}");
            let mut exported = lines(&theirs.run("export"));
            // -S does not print this.
            assert!(exported.remove("--set 900 120 300"), "{exported:?}");
            assert_eq!(exported, expected, "{option}");
        }
        Proof::Shown {
            begin,
            theirs: list,
            ours: show,
            both,
        } => {
            theirs.ipvsadm_all(begin);
            for (by, text) in [
                ("ipvsadm", theirs.ipvsadm(list)),
                ("ipvs-bpf", theirs.run(show)),
            ] {
                for word in *both {
                    assert!(text.contains(word), "{option}: {by}: {word}:\n{text}");
                }
            }
        }
        Proof::Test(_) => {}
    }
}

fn prove_all(rows: &[Row]) {
    let _module = shared();
    let (theirs, ours) = (Namespace::new(), Namespace::new());
    for row in rows {
        match row.proof {
            // The test runs separately.
            Proof::Test(_) => {}
            _ => prove(row, &theirs, &ours),
        }
    }
}

#[test]
fn every_command_of_ipvsadm_has_one_of_ours_that_comes_to_the_same() {
    prove_all(commands::ROWS);
}

#[test]
fn every_option_of_a_service_has_a_key_that_comes_to_the_same() {
    prove_all(services::ROWS);
}

#[test]
fn every_option_of_a_server_has_a_key_that_comes_to_the_same() {
    prove_all(servers::ROWS);
}

#[test]
fn every_listing_of_ipvsadm_has_one_of_ours_that_shows_the_same() {
    prove_all(listing::ROWS);
}

#[test]
fn every_option_of_the_sync_daemons_has_a_key_that_comes_to_the_same() {
    prove_all(sync::ROWS);
}

#[test]
fn the_page_has_the_table_and_the_table_has_all_that_ipvsadm_has() {
    let table: String = rows()
        .map(|row| format!("| {} | {} |\n", row.option, row.ours))
        .collect();
    let page = fs::read_to_string("docs/guides/ipvsadm.md").unwrap();
    assert!(
        page.contains(&table),
        "docs/guides/ipvsadm.md needs:\n{table}"
    );

    run(Command::new("modprobe").arg("ip_vs"));
    let manual = "zcat -f /usr/share/man/man8/ipvsadm.8.gz | sed 's/\\\\-/-/g'";
    let script = format!("{{ ipvsadm -h; {manual}; }} | grep -oE -- '--[a-z0-9-]+' | sort -u");
    let known = run(Command::new("bash").args(["-o", "pipefail", "-c", &script]));
    assert!(known.lines().count() > 50, "{known}");
    for option in known.lines() {
        // These options belong to iptables. The manual explains its marks.
        if !["--mark", "--set-mark"].contains(&option) {
            let cell = |row: &Row| row.option.contains(&format!("`{option}"));
            assert!(rows().any(cell), "{option} is in no row");
        }
    }
    for row in rows() {
        assert!(!row.option.is_empty() && !row.ours.is_empty());
    }
}
