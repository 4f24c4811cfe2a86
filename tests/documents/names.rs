// SPDX-License-Identifier: GPL-2.0-only
//! Checks names in the documents: links, files and functions of the repository, counters,
//! and findings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ipvs_bpf::{datapath, kmod};

use crate::markdown::{Document, ROOT, documents};
use crate::read;

#[test]
fn every_link_leads_to_a_page_and_a_heading_that_are_there() {
    let documents = documents();
    for document in &documents {
        let folder = Path::new(&document.path).parent().unwrap();
        for (line, link) in &document.links {
            let place = format!("{}:{line}: {link}", document.path);
            if link.starts_with("https://") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.path.clone(),
                _ => within(&folder.join(path)),
            };
            assert!(Path::new(ROOT).join(&target).exists(), "{place}");
            if !anchor.is_empty() {
                let page: Option<&Document> = documents.iter().find(|page| page.path == target);
                let there = page.is_some_and(|page| page.anchors.iter().any(|at| at == anchor));
                assert!(there, "{place}");
            }
        }
    }
}

/// `docs/../kmod/x.c` is `kmod/x.c`.
fn within(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.to_str().unwrap().split('/') {
        if part == ".." {
            parts.pop().expect("within the repository");
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Folders whose files the documents name.
const FOLDERS: [&str; 12] = [
    "kmod",
    "bpf",
    "src",
    "tests",
    "lab",
    "docs",
    "man",
    "examples",
    "packaging",
    "benches",
    "fuzz",
    ".ci",
];

/// Paths that exist only after something has created them.
const MADE: [&str; 3] = [
    "fuzz/artifacts/TARGET/",
    "fuzz/corpus/TARGET.tar.gz",
    "fuzz/regressions/TARGET/",
];

#[test]
fn every_file_and_function_that_is_named_is_there() {
    let mut files = 0;
    let mut functions = 0;
    for document in documents() {
        for (line, words) in &document.code {
            let place = format!("{}:{line}: {words}", document.path);
            let words = words.replace('\n', " ");
            let (path, function) = words.split_once(": ").unwrap_or((&words, ""));
            let path = path.split(' ').next().unwrap();
            let folder = path.split('/').next().unwrap();
            let pattern = path.contains(['*', '{']) || path.contains("CASE");
            if !FOLDERS.contains(&folder) || !path.contains('/') || pattern || MADE.contains(&path)
            {
                continue;
            }
            assert!(Path::new(ROOT).join(path).exists(), "{place}");
            files += 1;
            if let Some(function) = function.strip_suffix("()") {
                let there = read(path).contains(&format!("{function}("));
                assert!(there, "{place}: no such function there");
                functions += 1;
            }
        }
    }
    assert!(files > 40 && functions > 10, "{files} {functions}");
}

/// The prefixes of the module's counters.
const COUNTERS: [&str; 5] = [
    "drop_",
    "fast_packets_",
    "icmp_errors_",
    "native_",
    "refused_",
];

#[test]
fn every_counter_that_is_named_is_one_of_the_module() {
    let stats = read("kmod/control/stats_proc.c");
    let mut count = 0;
    for document in documents() {
        for (line, words) in &document.code {
            // These two are sysctls of IPVS.
            let sysctl = ["drop_entry", "drop_packet"].contains(&&**words);
            if !sysctl && COUNTERS.iter().any(|begin| words.starts_with(begin)) {
                let there = stats.contains(&format!("\"{words}\""));
                assert!(there, "{}:{line}: {words}", document.path);
                count += 1;
            }
        }
    }
    assert!(count > 15, "{count}");
}

/// The names in the first column of doctor.md's tables.
#[test]
fn every_finding_of_doctor_that_is_named_is_one() {
    let documents = documents();
    let doctor = documents
        .iter()
        .find(|page| page.path == "docs/reference/doctor.md");
    let doctor = read(&doctor.unwrap().path);
    let rows = doctor.lines().filter_map(|line| line.strip_prefix("| `"));
    let findings: Vec<&str> = rows
        .filter_map(|row| Some(row.split_once('`')?.0))
        .collect();
    let beginnings = [
        "vip-",
        "local-ip-",
        "filter-",
        "vs-",
        "bpf-",
        "server-",
        "interface-",
    ];
    let mut count = 0;
    for document in &documents {
        for (line, words) in &document.code {
            if beginnings
                .iter()
                .any(|beginning| words.starts_with(beginning))
            {
                let known = findings.contains(&&**words);
                assert!(known, "{}:{line}: {words}", document.path);
                count += 1;
            }
        }
    }
    assert!(count > 20, "{count}");
}

/// The names of the module's counters, except for the one that can become smaller.
fn counters(stats: &str) -> Vec<&str> {
    let lines = stats.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix("[COUNT_")?.split('"').nth(1))
        .collect()
}

/// The whole words of all files below these folders.
fn words_below(folders: &[&str]) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders: Vec<PathBuf> = folders
        .iter()
        .map(|path| Path::new(ROOT).join(path))
        .collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let split = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            words.extend(split.map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_counter_is_in_a_test_with_real_packets() {
    let stats = read("kmod/control/stats_proc.c");
    let module = counters(&stats).into_iter().map(str::to_owned);
    let program = datapath::abi::Counter::ALL
        .iter()
        .map(|counter| counter.name());
    let tested = words_below(&["tests/e2e", "tests/bpf", "tests/packet-fixtures"]);
    let without: Vec<_> = module
        .chain(program)
        .filter(|name| !tested.contains(name))
        .collect();
    assert!(without.is_empty(), "{without:?}");
}

/// The page is what `show --counters` prints. The program has no text where the page says
/// "nothing" of a counter that does not mean trouble.
#[test]
fn every_counter_is_on_the_page_of_counters_with_its_meaning_and_what_to_do() {
    let stats = read("kmod/control/stats_proc.c");
    let module = counters(&stats)
        .into_iter()
        .chain(["sessions"])
        .map(|name| {
            let meaning = kmod::counters::meaning(name).unwrap();
            (name.to_owned(), meaning, kmod::counters::cure(name))
        });
    let program = datapath::abi::Counter::ALL
        .iter()
        .map(|counter| (counter.name(), counter.meaning(), counter.cure()));
    let counters: Vec<_> = module.chain(program).collect();
    assert!(counters.len() > 40, "{}", counters.len());
    let cures = counters.iter().filter(|(.., cure)| cure.is_some());
    assert!(cures.count() > 30);

    let page = read("docs/reference/counters.md");
    let (_, tables) = page.split_once("\n## ").unwrap();
    let mut rows: BTreeMap<String, (&str, String)> = tables
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let columns: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            let [name, meaning, cure] = columns[..] else {
                panic!("{row}");
            };
            let name = name.trim_end_matches('`').to_owned();
            (name, (meaning, without_links(cure)))
        })
        .collect();
    for (name, meaning, cure) in counters {
        let (on_page, to_do) = rows.remove(&name).expect(&name);
        assert_eq!(on_page, meaning, "{name}");
        match cure {
            Some(cure) => assert_eq!(to_do, cure, "{name}"),
            None => assert!(to_do.starts_with("nothing"), "{name}: {to_do}"),
        }
    }
    assert!(rows.is_empty(), "not a counter: {rows:?}");
}

/// `[text](target)` becomes `text`.
fn without_links(markdown: &str) -> String {
    let mut text = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        let (words, target) = link.split_once("](").expect(markdown);
        let (_, after) = target.split_once(')').expect(markdown);
        text += before;
        text += words;
        rest = after;
    }
    text + rest
}
