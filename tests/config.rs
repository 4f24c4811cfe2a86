// SPDX-License-Identifier: GPL-2.0-only
//! Parses files: fixed cases, and damaged files.
//!
//! A case is `tests/config/NAME.toml` with the expected results next to it. A good file
//! has `NAME.state`, the state that it asks for on a host with the interfaces of
//! [`HOST`]. A bad file has `NAME.stderr`, the mistakes in their text form. A good file
//! with warnings has both. `BLESS=1 cargo test --test config` writes the current results
//! into the files, and `git diff` shows the changes.

#[path = "config/suggestions.rs"]
mod suggestions;

use std::fs;
use std::path::{Path, PathBuf};

use ipvs_bpf::config::{self, Diagnostics, Failure, Report};
use ipvs_bpf::model::State;

const HOST: [&str; 4] = ["lo", "eth0", "eth1", "mgmt0"];
const EXAMPLE: &str = include_str!("../examples/lb.toml");

#[test]
fn every_case_gives_its_state_or_its_mistakes() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 50, "cases went missing: {}", cases.len());
    for case in cases {
        let (state, said) = match read(&case) {
            Ok((state, warnings)) => (Some(format!("{state:#?}\n")), warnings),
            Err(diagnostics) => (None, Some(diagnostics)),
        };
        let said = said.map(|said| said.render(false) + "\n");
        for (extension, found) in [("state", state), ("stderr", said)] {
            let file = case.with_extension(extension);
            if bless {
                match &found {
                    Some(found) => fs::write(&file, found).unwrap(),
                    None => drop(fs::remove_file(&file)),
                }
            }
            let wanted = fs::read_to_string(&file).ok();
            if found != wanted {
                let name = file.display();
                failures.push(format!("{name}: wanted\n{wanted:?}\nfound\n{found:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn mistakes_are_the_same_for_programs_as_for_people() {
    let mut bad = 0;
    for case in cases() {
        let Err(diagnostics) = read(&case) else {
            continue;
        };
        bad += 1;
        let text = diagnostics.render(false);
        let records = records(diagnostics);
        assert_eq!(text.matches("error: ").count(), records.len(), "{case:?}");
        for record in records {
            let field = |key: &str| record[key].as_str().unwrap().to_owned();
            let place = format!(
                "--> {}:{}:{}\n",
                field("file"),
                record["line"],
                record["column"]
            );
            assert!(text.contains(&place), "{case:?}: {place}\n{text}");
            assert!(text.contains(&field("message")), "{case:?}: {record}");
            assert!(text.contains(&field("help")), "{case:?}: {record}");
            assert!(!field("help").is_empty(), "{case:?}: {record}");
            if !record["see"].is_null() {
                let see = &record["see"];
                let place = format!("::: {}:{}:{}\n", field("file"), see["line"], see["column"]);
                assert!(text.contains(&place), "{case:?}: {place}\n{text}");
            }
        }
    }
    assert!(bad >= 20, "bad cases went missing: {bad}");
}

/// If all mistakes of a file are `slips`, the file is good after their fixes.
#[test]
fn a_suggestion_leads_to_no_further_error() {
    let mut fixes = 0;
    for case in cases() {
        let Err(diagnostics) = read(&case) else {
            continue;
        };
        let text = fs::read_to_string(&case).unwrap();
        let text = text.trim_start_matches('\u{feff}');
        let before = records(diagnostics);
        let fixed = fixed(text, &before);
        let after = state(&fixed).map_or_else(records, |_| Vec::new());
        for record in before.iter().filter(|record| !record["fix"].is_null()) {
            fixes += 1;
            let line = &record["line"];
            let without = before.iter().filter(|other| other["line"] == *line);
            let without = without.filter(|other| other["fix"].is_null()).count();
            let left: Vec<_> = after
                .iter()
                .filter(|other| other["line"] == *line)
                .collect();
            assert!(left.len() <= without, "{case:?}: {record}: {left:#?}");
        }
        let name = case.file_stem().unwrap().to_str().unwrap();
        if name.starts_with("slips_") {
            // A syntax error can hide mistakes below it.
            let (mut fixed, mut after) = (fixed, after);
            while after.iter().any(|record| !record["fix"].is_null()) {
                fixed = self::fixed(&fixed, &after);
                let left = state(&fixed).map_or_else(records, |_| Vec::new());
                assert!(left != after, "{case:?}: {after:#?}\n{fixed}");
                after = left;
            }
            assert!(after.is_empty(), "{case:?}: {after:#?}\n{fixed}");
        }
    }
    assert!(fixes >= 35, "fixes went missing: {fixes}");
}

/// The text after all edits.
fn fixed(text: &str, records: &[serde_json::Value]) -> String {
    let mut edits: Vec<_> = records
        .iter()
        .map(|record| &record["fix"])
        .filter(|fix| !fix.is_null())
        .collect();
    let place = |fix: &serde_json::Value, key: &str| fix[key].as_u64().unwrap() as usize;
    edits.sort_by_key(|fix| place(fix, "start"));
    let mut fixed = text.to_owned();
    for fix in edits.into_iter().rev() {
        let range = place(fix, "start")..place(fix, "end");
        fixed.replace_range(range, fix["text"].as_str().unwrap());
    }
    fixed
}

#[test]
fn colour_adds_nothing_but_colour() {
    let diagnostics = config::parse("lb.toml", "servce = 1").unwrap_err();
    let coloured = diagnostics.render(true);
    assert!(coloured.contains("\x1b["), "{coloured:?}");
    let mut plain = String::new();
    let mut letters = coloured.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            letters.by_ref().find(|letter| *letter == 'm');
        } else {
            plain.push(letter);
        }
    }
    let trimmed = |text: &str| -> Vec<String> {
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        lines.collect()
    };
    assert_eq!(trimmed(&plain), trimmed(&diagnostics.render(false)));
}

#[test]
fn the_example_is_good_in_every_line_ending() {
    let state = state(EXAMPLE).unwrap();
    assert_eq!(state.services.len(), 3);
    assert_eq!(state.full_nat.len(), 2);
    let windows = self::state(&EXAMPLE.replace('\n', "\r\n")).unwrap();
    assert_eq!(windows, state);
}

#[test]
fn no_truncation_of_the_example_makes_the_reader_panic() {
    let whole = EXAMPLE.as_bytes();
    for length in 0..whole.len() {
        survives(&whole[..length]);
    }
}

#[test]
fn no_case_with_flipped_lost_and_misplaced_bytes_makes_the_reader_panic() {
    // xorshift64: the same bytes in each run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    let files: Vec<Vec<u8>> = cases().iter().map(|case| fs::read(case).unwrap()).collect();
    for file in &files {
        for _ in 0..80 {
            let mut bytes = file.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(5) {
                    0 => bytes[at] = random(256) as u8,
                    1 => bytes[at] ^= 1 << random(8),
                    2 if bytes.len() > 1 => drop(bytes.remove(at)),
                    // A number that exceeds every range.
                    3 => drop(bytes.splice(at..at, *b"99999999999")),
                    // A part of another file in the wrong place.
                    _ => {
                        let other = &files[random(files.len())];
                        let from = random(other.len());
                        let end = (from + random(40)).min(other.len());
                        bytes.splice(at..at, other[from..end].iter().copied());
                    }
                }
            }
            survives(&bytes);
        }
    }
}

#[test]
fn the_first_of_very_many_mistakes_are_shown_and_all_are_counted() {
    let text = "service = [\n".to_owned() + &"1,\n".repeat(20_000) + "]\n";
    let diagnostics = config::parse("lb.toml", &text).unwrap_err();
    assert_eq!(diagnostics.count(), 20_000);
    let rendered = diagnostics.render(false);
    assert_eq!(rendered.matches("error: ").count(), 100);
    let last = rendered.lines().last().unwrap();
    assert!(last.starts_with("and 19900 more"), "{last}");
    assert_eq!(diagnostics.records().count(), 10_000);
    assert_eq!(diagnostics.more(), 10_000);
}

/// The module takes all rules in one write.
#[test]
fn rules_that_are_too_long_together_are_refused() {
    let ports: Vec<String> = (0..64)
        .map(|n| format!("{}-{}", 10000 + 4 * n, 10001 + 4 * n))
        .collect();
    let interfaces: Vec<String> = (0..16).map(|n| format!("interface-{n:04}*")).collect();
    let file = |rules: usize| {
        let rule = |n| {
            format!(
                "[[full_nat]]\naddresses = [\"10.9.0.{n}\"]\nsnat = \"p\"\nports = {:?}\n\
                 interfaces = {interfaces:?}\n",
                ports.join(",")
            )
        };
        let pool = "service = []\n[local_ips.p]\naddresses = [\"10.2.0.100\"]\n".to_owned();
        pool + &(0..rules).map(rule).collect::<String>()
    };
    assert!(state(&file(240)).is_ok_and(|state| state.rules.len() == 240));
    let mistakes = diagnostics_of(&file(256));
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    let message = mistakes[0]["message"].as_str().unwrap();
    assert!(message.contains("256 KiB"), "{message}");
}

#[test]
fn hostile_files_are_refused_in_bounded_time() {
    let many = |piece: &str, count: usize| piece.repeat(count);
    let pools = (0..256).map(|net| format!("p{net}.addresses = [\"10.{net}.0.0/16\"]\n"));
    let services = (0..20_000).map(|port| format!("{{ address = \"tcp://10.0.0.1:{port}\" }},"));
    for text in [
        format!("a = {}", many("[", 100_000)),
        format!("a = {}", many("{a=", 100_000)),
        format!("{}a = 1", many("a.", 100_000)),
        format!("[{}a]", many("a.", 100_000)),
        format!("[local_ips]\n{}", pools.collect::<String>()),
        format!("{} = 1", many("a", 4_000_000)),
        format!("[[service]]\nsnat = \"{}\"", many("a", 4_000_000)),
        format!("service = [{}]", services.collect::<String>()),
        many("= ", 100_000),
        many("=\n", 1_000_000),
        many("[[service]]\n", 100_000),
    ] {
        let diagnostics = state(&text).unwrap_err();
        let rendered = diagnostics.render(false);
        assert!(rendered.len() < 16_000_000, "{}", rendered.len());
    }
}

#[test]
fn a_message_carries_nothing_that_steers_a_terminal() {
    let text = "[[service]]\naddress = \"\\u001b[2J\"\n\"\\u001b[2J\" = 1\nscheduler = \"\\u0007\"\n\
                snat = \"\\u001b[2J\"\n\
                [local_ips.\"\\u001b[3J\"]\naddresses = []\n\
                [director]\ninterfaces = [\"\\u001b[2J\"]";
    let rendered = config::parse("lb.toml", text).unwrap_err().render(false);
    assert!(rendered.contains("u{1b}"), "{rendered}");
    let steers = |letter: &char| letter.is_control() && *letter != '\n';
    assert_eq!(rendered.chars().find(steers), None);

    // The place in the text itself, above and below ASCII.
    let text = "[ser\u{9b}2Jvice]\n\u{1b}[2J = 1\n";
    let rendered = config::parse("lb.toml", text).unwrap_err().render(false);
    assert!(rendered.contains("ser\u{b7}2Jvice"), "{rendered}");
    assert_eq!(rendered.chars().find(steers), None);
}

fn survives(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match state(&text) {
        Ok(_) => {}
        Err(diagnostics) => {
            assert!(diagnostics.count() > 0, "{text}");
            assert!(!diagnostics.render(false).is_empty());
            records(diagnostics);
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let files = fs::read_dir(root).unwrap().map(|file| file.unwrap().path());
    let mut cases: Vec<PathBuf> = files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    cases.sort();
    cases
}

fn read(case: &Path) -> Result<(State, Option<Diagnostics>), Diagnostics> {
    let name = case.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(case).unwrap();
    let config = config::parse(name, &text)?;
    let host = HOST.map(str::to_owned);
    Ok((config.desired(&host), config.warnings_on(&host)))
}

fn state(text: &str) -> Result<State, Diagnostics> {
    Ok(config::parse("lb.toml", text)?.desired(&HOST.map(str::to_owned)))
}

/// The records of the mistakes in a text, or of its warnings if it has no mistakes.
fn diagnostics_of(text: &str) -> Vec<serde_json::Value> {
    match config::parse("lb.toml", text) {
        Err(mistakes) => records(mistakes),
        Ok(config) => {
            let warnings = config.warnings_on(&HOST.map(str::to_owned));
            let report = Report::of_warnings(warnings.as_ref());
            let json = serde_json::to_value(report).unwrap();
            json["warnings"].as_array().unwrap().clone()
        }
    }
}

/// The records in the format of `validate --json`.
fn records(diagnostics: Diagnostics) -> Vec<serde_json::Value> {
    let failure = Failure::Mistakes(Box::new(diagnostics));
    let json = serde_json::to_value(Report::of_failure(&failure)).unwrap();
    json["mistakes"].as_array().unwrap().clone()
}
