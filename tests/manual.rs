// SPDX-License-Identifier: GPL-2.0-only
//! Checks the manual: ipvs-bpf.toml(5) and `examples/` against the parser of the file,
//! and the pages of the commands.
//!
//! The test gets the keys from the parser, whose error about an unknown key lists the
//! known ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use ipvs_bpf::cli::Cli;
use ipvs_bpf::config::{self, Failure, Report};

/// Not similar to any key, so that the error lists all.
const UNKNOWN: &str = "NO SUCH KEY AT ALL";

/// Every table of the file by its path, with its keys. The file itself is "".
type Schema = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_key_of_the_file_has_an_item_and_an_example_under_the_heading_of_its_table() {
    let page = Page::read();
    let schema = schema();
    // Keys that the parser certainly knows.
    for (table, key) in [
        ("", "service"),
        ("service.server.tunnel", "checksum"),
        ("local_ips.NAME", "ports"),
        ("sysctl", "sync_threshold"),
        ("sync.backup", "interface"),
    ] {
        assert!(schema[table].contains(key), "{table} {key}: {schema:#?}");
    }
    let mut missing = Vec::new();
    for (table, keys) in schema.iter().filter(|(table, _)| !table.is_empty()) {
        let Some(section) = page.sections.iter().find(|section| section.is_of(table)) else {
            missing.push(format!("a heading for {table}"));
            continue;
        };
        for key in keys {
            if !section.items.contains(key) {
                missing.push(format!("an item `{key}` under {table}"));
            }
            // There are too many sysctls, and all have the same form.
            if table != "sysctl" && !section.shows(key) && !page.begins(table, key) {
                missing.push(format!("an example of `{key}` under {table}"));
            }
        }
        for item in section.items.difference(keys) {
            missing.push(format!("`{item}` of {table} in the reader"));
        }
    }
    for key in &schema[""] {
        let is_table = schema
            .keys()
            .any(|table| table.split('.').next() == Some(key));
        // A key that is not a table has a heading of its own, and an example.
        let mut sections = page.sections.iter();
        if !is_table && !sections.any(|section| section.heading == *key && section.shows(key)) {
            missing.push(format!("the keys of {key}"));
        }
    }
    assert!(missing.is_empty(), "missing: {missing:#?}");
}

#[test]
fn the_examples_of_the_format_are_one_good_file() {
    let page = Page::read();
    let together: Vec<&str> = page
        .sections
        .iter()
        .map(|section| &*section.examples)
        .collect();
    good("the examples of FORMAT", &together.join("\n"));
}

#[test]
fn each_of_the_page_s_examples_is_a_good_file() {
    let files = Page::read().files;
    assert!(files.len() >= 3, "{files:?}");
    for file in files {
        good("an example of EXAMPLES", &file);
    }
}

#[test]
fn each_file_of_examples_is_good_and_begins_with_what_it_is_for() {
    let files = examples();
    assert!(files.len() >= 8, "{files:?}");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        good(&path.display().to_string(), &text);
        assert!(text.starts_with("# "), "{}", path.display());
        assert!(text.len() < 4096, "{} is long", path.display());
    }
}

#[test]
fn the_file_that_packages_install_says_nothing_and_is_good_without_its_comment_signs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/lb.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with('#'))
    );
    // Sentences have a space there, keys do not.
    let keys: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| !line.is_empty() && !line.starts_with(' '))
        .collect();
    assert!(keys.len() > 5, "{keys:?}");
    good("its keys", &keys.join("\n"));
}

#[test]
fn every_command_has_a_page_with_synopsis_exit_status_examples_and_see_also() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    let status = Command::new(env!("CARGO_BIN_EXE_ipvs-bpf"))
        .args(["man", "--dir"])
        .arg(&folder)
        .status();
    assert!(status.unwrap().success());
    let program = Cli::command();
    let names = program
        .get_subcommands()
        .map(|command| format!("ipvs-bpf-{}", command.get_name()));
    for name in names.chain(["ipvs-bpf".to_owned()]) {
        let page = fs::read_to_string(folder.join(format!("{name}.8"))).unwrap();
        for heading in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "EXIT STATUS",
            "EXAMPLES",
            "SEE ALSO",
        ] {
            let written = [format!(".SH {heading}\n"), format!(".SH \"{heading}\"\n")];
            let found = written.iter().any(|written| page.contains(written));
            assert!(
                found,
                "{name} has no {heading}; src/cli/manual.rs gives it\n{page}"
            );
        }
    }
}

/// Checks that the text has no mistakes and no warnings.
fn good(name: &str, text: &str) {
    let config = match config::parse(name, text) {
        Ok(config) => config,
        Err(diagnostics) => panic!("{diagnostics}"),
    };
    let warnings = config.warnings().map(|warnings| warnings.render(false));
    assert_eq!(warnings, None, "{name}");
}

fn examples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    files.collect()
}

/// A table on the path to another one: a plain table or an element of a list.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Table,
    List,
}

fn schema() -> Schema {
    let mut schema = Schema::new();
    let mut paths: Vec<Vec<(String, Kind)>> = vec![Vec::new()];
    while let Some(path) = paths.pop() {
        let mut path = path;
        let mut keys = known(&path);
        if keys.is_none() && path.last().is_some_and(|(_, kind)| *kind == Kind::Table) {
            // A table of tables with user-defined names.
            path.push(("NAME".to_owned(), Kind::Table));
            keys = known(&path);
        }
        let Some(keys) = keys else {
            continue;
        };
        for key in &keys {
            for kind in [Kind::Table, Kind::List] {
                let step = (key.clone(), kind);
                paths.push(path.iter().cloned().chain([step]).collect());
            }
        }
        let names: Vec<&str> = path.iter().map(|(key, _)| key.as_str()).collect();
        schema.insert(names.join("."), keys);
    }
    schema
}

/// The keys that the parser suggests for an unknown key in the table of this path.
/// `None`: it is not a table, or it accepts any key.
fn known(path: &[(String, Kind)]) -> Option<BTreeSet<String>> {
    let mut text = format!("{UNKNOWN:?} = 1");
    for (key, kind) in path.iter().rev() {
        text = match kind {
            Kind::Table => format!("{key} = {{ {text} }}"),
            Kind::List => format!("{key} = [{{ {text} }}]"),
        };
    }
    let failure = Failure::Mistakes(Box::new(config::parse("probe", &text).err()?));
    let report = serde_json::to_value(Report::of_failure(&failure)).unwrap();
    let help = report["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|record| {
            let message = record["message"].as_str().unwrap();
            let complains = message.starts_with("unknown ") && message.contains(UNKNOWN);
            complains.then(|| record["help"].as_str().unwrap().to_owned())
        })?;
    let list = help.strip_prefix("known: ").expect(&help);
    Some(
        list.split(", ")
            .map(|key| key.trim_matches('`').to_owned())
            .collect(),
    )
}

/// The parsed ipvs-bpf.toml(5).
struct Page {
    /// The sections of FORMAT.
    sections: Vec<Section>,
    /// The example files of EXAMPLES.
    files: Vec<String>,
}

/// The text below a heading.
#[derive(Default)]
struct Section {
    heading: String,
    items: BTreeSet<String>,
    /// All examples, concatenated.
    examples: String,
}

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/ipvs-bpf.toml.5");
        let text = fs::read_to_string(path).unwrap();
        let mut page = Page {
            sections: Vec::new(),
            files: Vec::new(),
        };
        let mut chapter = "";
        let mut example: Option<String> = None;
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (word, &mut example) {
                (".Ed", taken) => {
                    let text = taken.take().expect("an example begins before it ends");
                    match (chapter, page.sections.last_mut()) {
                        ("FORMAT", Some(section)) => section.examples += &text,
                        ("EXAMPLES", _) => page.files.push(text),
                        _ => {}
                    }
                }
                (_, Some(example)) => {
                    example.push_str(line);
                    example.push('\n');
                }
                (".Sh", None) => chapter = rest,
                (".Ss", None) => page.sections.push(Section {
                    heading: rest.to_owned(),
                    ..Section::default()
                }),
                (".Bd", None) => example = Some(String::new()),
                (".It", None) if chapter == "FORMAT" => {
                    if let Some(key) = rest.strip_prefix("Ic ") {
                        let section = page.sections.last_mut().unwrap();
                        section.items.insert(key.to_owned());
                    }
                }
                _ => {}
            }
        }
        page
    }
}

impl Page {
    /// True if it has `[table.key]`, a separate section that explains the table's keys.
    fn begins(&self, table: &str, key: &str) -> bool {
        let header = format!("[{table}.{key}]");
        let mut examples = self.sections.iter().map(|section| &section.examples);
        examples.any(|examples| examples.contains(&header))
    }
}

impl Section {
    /// "sync.master and sync.backup" belongs to both.
    fn is_of(&self, table: &str) -> bool {
        self.heading.split(" and ").any(|path| path == table)
    }

    /// True for `key = …` and `{ key = … }`.
    fn shows(&self, key: &str) -> bool {
        self.examples.lines().any(|line| {
            let words: Vec<&str> = line.split([' ', '{', ',']).collect();
            words.windows(2).any(|pair| pair == [key, "="])
        })
    }
}
