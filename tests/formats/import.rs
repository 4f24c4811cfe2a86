// SPDX-License-Identifier: GPL-2.0-only
//! Imports text of ipvsadm and of keepalived. A case is `tests/formats/NAME.rules` or
//! `NAME.conf` with the expected result next to it: `NAME.toml`, or `NAME.stderr` with the mistakes in their text form.
//! `BLESS=1 cargo test --test formats` writes the current results into the files.

use std::fs;
use std::path::{Path, PathBuf};

use ipvs_bpf::config::{self, Failure, Report};
use ipvs_bpf::ipvsadm::{Names, import};
use ipvs_bpf::keepalived;

const HOSTS: &str = "10.0.0.9 web web.example\n";
const SERVICES: &str = "http 80/tcp www\ndomain 53/tcp\ndomain 53/udp\n";

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let files = fs::read_dir(root).unwrap().map(|file| file.unwrap().path());
    let mut cases: Vec<PathBuf> = files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extension == "rules" || extension == "conf")
        })
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_text_gives_its_file_or_its_mistakes() {
    let bless = std::env::var_os("BLESS").is_some();
    let names = Names::new(HOSTS, SERVICES);
    let mut failures = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 8, "cases went missing: {}", cases.len());
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let text = fs::read_to_string(&case).unwrap();
        let imported = match keepalived::is_keepalived(&text) {
            true => keepalived::import(name, &text),
            false => import(name, &text, &names),
        };
        let (found, extension, other) = match imported {
            Ok(toml) => {
                config::parse(name, &toml).unwrap();
                (toml, "toml", "stderr")
            }
            Err(mistakes) => (mistakes.render(false) + "\n", "stderr", "toml"),
        };
        let file = case.with_extension(extension);
        if bless {
            fs::write(&file, &found).unwrap();
            fs::remove_file(case.with_extension(other)).ok();
            continue;
        }
        let wanted = fs::read_to_string(&file).unwrap_or_default();
        if found != wanted {
            failures.push(format!("{name}: wanted\n{wanted}\nfound\n{found}"));
        }
        if case.with_extension(other).exists() {
            failures.push(format!("{name}: has a .{other} too"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// No mistake may be placed at the start of the text only because its real place is
/// unknown.
#[test]
fn no_mistake_is_without_its_place() {
    for case in cases() {
        let text = fs::read_to_string(&case).unwrap();
        // An empty first line that no mistake can belong to.
        let text = format!("\n{text}");
        if let Err(mistakes) = import("rules", &text, &Names::new(HOSTS, SERVICES)) {
            let failure = Failure::Mistakes(Box::new(mistakes));
            let json = serde_json::to_value(Report::of_failure(&failure)).unwrap();
            for record in json["mistakes"].as_array().unwrap() {
                assert!(record["line"].as_u64() > Some(1), "{case:?}: {record}");
            }
        }
    }
}
