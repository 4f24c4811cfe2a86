// SPDX-License-Identifier: GPL-2.0-only
//! Tests the plan with fixed cases and with properties.
//!
//! A case is a folder `tests/plan/NAME/`. It has `current.toml` and `desired.toml` (see
//! `state_file.rs`) and the expected result `steps.txt`: the steps in order, then the
//! diff as text. If there is a `steps.json`, the case is also compared as JSON. `BLESS=1
//! cargo test --test plan` writes the current results into the files, and `git diff`
//! shows the changes.

#[path = "plan/kernel.rs"]
mod kernel;
#[path = "plan/properties.rs"]
mod properties;
#[path = "plan/state_file.rs"]
mod state_file;
#[path = "plan/states.rs"]
mod states;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use ipvs_bpf::model::State;
use ipvs_bpf::plan::{Options, Plan, goal, plan};

#[test]
fn every_case_gives_its_steps() {
    let mut failures = String::new();
    let cases = cases();
    assert!(cases.len() >= 20, "cases went missing: {}", cases.len());
    for case in cases {
        let (desired, current, options) = read(&case);
        let plan = plan(&desired, &current, &options);

        compare(&case.join("steps.txt"), &as_text(&plan), &mut failures);
        let json = case.join("steps.json");
        if json.exists() {
            let text = serde_json::to_string_pretty(&plan).unwrap() + "\n";
            compare(&json, &text, &mut failures);
        }

        if plan.refusals.is_empty() {
            let end = kernel::carry_out(&plan, &current, |_| {})
                .unwrap_or_else(|error| panic!("{}: {error}", case.display()));
            assert_eq!(end, goal(&desired, &current, &options), "{case:?}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn an_empty_plan_says_that_there_is_nothing_to_do() {
    assert_eq!(Plan::default().to_string(), "nothing to do");
}

#[test]
fn colour_marks_the_lines_that_change_and_nothing_else() {
    let (desired, current, options) = read(&root().join("server_changed_by_hand_is_put_back"));
    let plan = plan(&desired, &current, &options);
    assert_eq!(
        plan.diff(true).to_string(),
        "  tcp://10.0.0.1:80\n    \
         \x1b[33m~ 10.2.0.2:8080 weight 7 → 1, forward route → masq\x1b[0m\n\
         0 to add, 1 to change, 0 to remove"
    );
}

#[test]
fn a_plan_that_is_refused_hands_out_no_transaction() {
    let (desired, current, options) = read(&root().join("refusal_as_json"));
    let plan = plan(&desired, &current, &options);
    assert!(!plan.steps.is_empty(), "the steps are there to be shown");
    assert_eq!(plan.transactions().err(), Some(plan.refusals.as_slice()));
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan")
}

fn cases() -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

fn read(case: &Path) -> (State, State, Options) {
    let (desired, options) = state_file::read(&case.join("desired.toml"));
    let (current, _) = state_file::read(&case.join("current.toml"));
    (desired, current, options)
}

fn as_text(plan: &Plan) -> String {
    let mut text = String::new();
    for step in &plan.steps {
        writeln!(text, "{step}").unwrap();
    }
    writeln!(text, "---\n{plan}").unwrap();
    text
}

fn compare(file: &Path, got: &str, failures: &mut String) {
    if std::env::var_os("BLESS").is_some() {
        fs::write(file, got).unwrap();
        return;
    }
    let wanted = fs::read_to_string(file).unwrap_or_default();
    if wanted != got {
        let name = file.strip_prefix(root()).unwrap().display();
        write!(
            failures,
            "\n{name} expects\n{wanted}\nand this came:\n{got}"
        )
        .unwrap();
    }
}
