// SPDX-License-Identifier: GPL-2.0-only
//! Compares docs/reference/json-plan.md with the JSON of the plan: its example, objects,
//! keys, and reasons of refusals.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::markdown::{ROOT, documents};
use crate::read;

const PAGE: &str = "docs/reference/json-plan.md";

/// The rows of the tables below a heading: the name in the first column, and the row.
fn rows(heading: &str) -> BTreeMap<String, String> {
    let page = read(PAGE);
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| Some((row.split_once('`')?.0.to_owned(), row.to_owned())))
        .collect()
}

/// The steps of all cases of tests/plan/ that are compared as JSON.
fn steps() -> Vec<Value> {
    let mut steps = Vec::new();
    for case in fs::read_dir(Path::new(ROOT).join("tests/plan")).unwrap() {
        let Ok(text) = fs::read_to_string(case.unwrap().path().join("steps.json")) else {
            continue;
        };
        let plan: Value = serde_json::from_str(&text).unwrap();
        steps.extend(plan["steps"].as_array().unwrap().clone());
    }
    assert!(steps.len() > 50, "{}", steps.len());
    steps
}

#[test]
fn the_example_of_a_plan_is_a_case_of_the_tests() {
    let page = documents().into_iter().find(|page| page.path == PAGE);
    let blocks = page.unwrap().blocks;
    let block = blocks.iter().find(|block| block.language == "json");
    let example: Value = serde_json::from_str(&block.unwrap().text).unwrap();
    let case = read("tests/plan/server_changed_by_hand_is_put_back/steps.json");
    let case: Value = serde_json::from_str(&case).unwrap();
    for key in ["steps", "refusals"] {
        assert_eq!(example[key], case[key], "{key}");
    }
    let keys: Vec<&String> = example.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 4, "{keys:?}");
}

#[test]
fn every_object_of_a_step_and_each_of_its_keys_is_described() {
    let rows = rows("A step");
    let source = read("src/plan/json.rs");
    let objects = source.split("(step, \"").skip(1);
    let objects: Vec<&str> = objects
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert!(objects.len() > 10, "{objects:?}");
    for object in objects {
        assert!(rows.contains_key(object), "{object}");
    }
    for step in steps() {
        let step = step.as_object().unwrap();
        let object = step["object"].as_str().unwrap();
        assert!(rows.contains_key(object), "{object}");
        for (key, value) in step {
            let described = match &**key {
                "op" | "object" => continue,
                "old" | "new" => parts(value),
                name => vec![format!("`{name}`")],
            };
            for key in described {
                let nested = ["persistence", "tunnel"].map(|part| &rows[part]);
                let mut places = nested.into_iter().chain([&rows[object]]);
                assert!(places.any(|row| row.contains(&key)), "{object}: {key}");
            }
        }
    }
}

/// The keys of a value and of the objects in it.
fn parts(value: &Value) -> Vec<String> {
    let Some(object) = value.as_object() else {
        return Vec::new();
    };
    let inner = object.values().flat_map(parts);
    let keys = object.keys().map(|key| format!("`{key}`"));
    keys.chain(inner).collect()
}

#[test]
fn every_reason_of_a_refusal_is_described_and_no_other() {
    let source = read("src/plan/refusal.rs");
    let function = source.split("fn reason(").nth(1).unwrap();
    let function = function.split("\n    }\n").next().unwrap();
    let mut reasons: Vec<&str> = function.split('"').skip(1).step_by(2).collect();
    reasons.sort_unstable();
    assert!(reasons.len() > 5, "{reasons:?}");
    let rows = rows("A refusal");
    let described: Vec<&String> = rows.keys().filter(|name| *name != "reason").collect();
    assert_eq!(described, reasons);
}
