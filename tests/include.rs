// SPDX-License-Identifier: GPL-2.0-only
//! Files that include others.
//!
//! A case is a folder `tests/include/NAME` with `lb.toml` and the files that it includes. A
//! good one has `whole.toml`, one file that asks for the same. The mistakes or warnings are
//! in `stderr`. `BLESS=1 cargo test --test include` writes these, and `git diff` shows the
//! changes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ipvs_bpf::config::{self, Failure, Report};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/include");
    let cases = fs::read_dir(folder).unwrap().map(|case| case.unwrap());
    let mut cases: Vec<PathBuf> = cases.map(|case| case.path()).collect();
    cases.sort();
    cases
}

fn failure(file: &Path) -> String {
    config::read(file).unwrap_err().to_string()
}

#[test]
fn every_case_is_as_one_file_or_has_its_mistakes() {
    let bless = std::env::var_os("BLESS").is_some();
    let cases = cases();
    assert!(cases.len() >= 7, "cases went missing: {}", cases.len());
    for case in cases {
        let file = case.join("lb.toml");
        let said = match config::read(&file) {
            Ok(config) => {
                if let Ok(whole) = fs::read_to_string(case.join("whole.toml")) {
                    let whole = config::parse("whole.toml", &whole).unwrap();
                    assert_eq!(config.on_any_host(), whole.on_any_host(), "{case:?}");
                }
                config.warnings().map(|warnings| warnings.render(false))
            }
            Err(failure) => Some(failure.to_string()),
        };
        let folder = format!("{}/", case.display());
        let said = said.map(|said| said.replace(&folder, "") + "\n");
        let expected = case.join("stderr");
        if bless {
            match &said {
                Some(said) => fs::write(&expected, said).unwrap(),
                None => drop(fs::remove_file(&expected)),
            }
        }
        assert_eq!(said, fs::read_to_string(expected).ok(), "{case:?}");
    }
}

#[test]
fn edits_for_programs_count_from_the_beginning_of_their_file() {
    let case = "tests/include/mistakes_name_the_file_and_line";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(case);
    let failure = config::read(&root.join("lb.toml")).unwrap_err();
    let report = serde_json::to_value(Report::of_failure(&failure)).unwrap();
    let mistakes = report["mistakes"].as_array().unwrap();
    let fixed = mistakes.iter().filter(|mistake| !mistake["fix"].is_null());
    let mut edits = 0;
    for mistake in fixed {
        let text = fs::read_to_string(mistake["file"].as_str().unwrap()).unwrap();
        let at = |key: &str| usize::try_from(mistake["fix"][key].as_u64().unwrap()).unwrap();
        assert_eq!(&text[at("start")..at("end")], "\"10.0.0.1:81\"");
        edits += 1;
    }
    assert_eq!(edits, 1);
    // The other place may be in another file.
    let twice = mistakes.iter().find(|mistake| {
        let message = mistake["message"].as_str().unwrap();
        message.contains("the service tcp://10.0.0.1:80 is listed twice")
    });
    let twice = twice.unwrap();
    assert!(twice["file"].as_str().unwrap().ends_with("conf.d/a.toml"));
    assert_eq!(twice["line"], 3);
    assert!(twice["see"]["file"].as_str().unwrap().ends_with("lb.toml"));
    assert_eq!(twice["see"]["line"], 4);
}

#[test]
fn services_and_rules_are_at_the_lines_that_a_person_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("conf.d")).unwrap();
    let root = "include = \"conf.d/*.toml\"\n\n[local_ips.default]\naddresses = [\"10.2.0.100\"]\n\n\
                [servers.web]\naddresses = [\"10.2.0.2:80\"]\n\n\
                [[service]]\naddress = \"udp://10.0.0.1:53\"\nscheduler = \"rr\"\n";
    fs::write(path("lb.toml"), root).unwrap();
    let included = "# The web.\n[[service]]\naddress = [\n    \"tcp://10.0.0.1:80\",\n    \
                    \"tcp://10.0.0.1:81\",\n]\nscheduler = \"rr\"\nservers = \"web\"\n\n\
                    [[full_nat]]\naddresses = [\"10.7.0.0/24\"]\nsnat = \"default\"\n";
    fs::write(path("conf.d/web.toml"), included).unwrap();
    let config = config::read(&path("lb.toml")).unwrap();
    let places = config.places();
    let rule = config.on_any_host().rules.into_keys().next().unwrap();
    for (what, name, line) in [
        ("udp://10.0.0.1:53", "lb.toml", 10),
        ("tcp://10.0.0.1:80", "conf.d/web.toml", 4),
        ("tcp://10.0.0.1:81", "conf.d/web.toml", 5),
        (&rule.to_string(), "conf.d/web.toml", 10),
    ] {
        let place = places.of(&what).unwrap().to_string();
        assert_eq!(place, format!("{}:{line}", path(name).display()), "{what}");
    }
    assert_eq!(places.of(&"tcp://10.0.0.1:82"), None);
    let said = places.say("it is wrong", &"udp://10.0.0.1:53");
    assert!(
        said.starts_with("it is wrong (") && said.ends_with("lb.toml:10)"),
        "{said}"
    );
}

#[test]
fn sources_know_of_every_change_that_matters() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("conf.d")).unwrap();
    let root = path("lb.toml");
    fs::write(&root, "include = [\"conf.d/*.toml\", \"later.toml\"]\n").unwrap();
    let service = "[[service]]\naddress = \"tcp://10.0.0.1:80\"\nscheduler = \"rr\"\n";
    let read = || config::read_with_sources(&root);

    let (sources, config) = read();
    assert!(config.unwrap_err().to_string().contains("later.toml"));
    assert!(!sources.have_changed());
    fs::write(path("later.toml"), service).unwrap();
    assert!(sources.have_changed());

    let (sources, config) = read();
    assert_eq!(config.unwrap().on_any_host().services.len(), 1);
    assert!(!sources.have_changed());
    fs::write(path("conf.d/.new"), service.replace("80", "81")).unwrap();
    fs::write(path("conf.d/notes"), "").unwrap();
    assert!(!sources.have_changed(), "neither matches");
    fs::rename(path("conf.d/.new"), path("conf.d/new.toml")).unwrap();
    assert!(sources.have_changed());
    let folders = sources.folders();
    assert!(folders.contains(&path("conf.d")), "{folders:?}");

    let (sources, config) = read();
    assert_eq!(config.unwrap().on_any_host().services.len(), 2);
    fs::remove_file(path("conf.d/new.toml")).unwrap();
    assert!(sources.have_changed());
}

#[test]
fn a_link_to_the_file_itself_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("conf.d")).unwrap();
    fs::write(path("lb.toml"), "include = \"conf.d/*\"\n").unwrap();
    symlink("../lb.toml", path("conf.d/me.toml")).unwrap();
    assert!(failure(&path("lb.toml")).contains("includes the file itself"));
}

#[test]
fn a_failure_to_read_is_one_mistake_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("conf.d/sub.toml")).unwrap();
    fs::write(path("lb.toml"), "include = \"conf.d/*.toml\"\n").unwrap();
    let Err(Failure::Mistakes(mistakes)) = config::read(&path("lb.toml")) else {
        panic!("a folder is not a file");
    };
    assert_eq!(mistakes.count(), 1);
    assert!(mistakes.to_string().contains("it is a directory"));
}
