// SPDX-License-Identifier: GPL-2.0-only
//! `--json` of every command.

use std::collections::BTreeMap;

use clap::CommandFactory;
use ipvs_bpf::cli::Cli;
use serde_json::Value;

use crate::full_nat::FILE;
use crate::lab::{Lab, stderr, success};

const SERVER: [&str; 2] = ["tcp://10.0.0.1:80", "10.2.0.2:8080"];

#[test]
fn every_command_prints_json_or_says_that_it_has_none() {
    let lab = Lab::new();
    lab.apply(FILE);
    let path = std::env::temp_dir().join(lab.namespace("json"));
    std::fs::write(&path, FILE).unwrap();
    let file = path.to_str().unwrap();
    let rules = path.with_extension("rules");
    std::fs::write(&rules, "-A -t 10.0.0.9:80 -s rr\n").unwrap();
    let rules = rules.to_str().unwrap();
    // The required arguments of each command.
    let mut needs = BTreeMap::from([
        ("apply", vec!["-f", file]),
        ("plan", vec!["-f", file]),
        ("validate", vec!["-f", file]),
        ("drain", vec![SERVER[0], SERVER[1], "--timeout", "0s"]),
        ("weight", vec![SERVER[0], SERVER[1], "1"]),
        ("import", vec![rules]),
        ("completions", vec!["bash"]),
        ("flush", vec!["--yes"]),
    ]);
    let has_none = ["metrics", "man", "completions"];
    let command = Cli::command();
    let names = command.get_subcommands().map(|command| command.get_name());
    // These remove everything, so they run last.
    let ends = ["flush", "down"];
    let others = names
        .filter(|name| !ends.contains(name))
        .collect::<Vec<_>>();
    for name in others.into_iter().chain(ends) {
        let more = needs.remove(name).unwrap_or_default();
        let output = lab.ipvs_bpf(&[&[name, "--json"][..], &more].concat());
        let said = stderr(&output);
        if has_none.contains(&name) {
            assert_eq!(output.status.code(), Some(1), "{name}: {said}");
            assert!(said.contains("--json"), "{name}: {said}");
            assert!(output.stdout.is_empty(), "{name}");
        } else {
            let json: Value = serde_json::from_slice(&output.stdout)
                .unwrap_or_else(|error| panic!("{name}: {error}: {output:?}"));
            assert!(json.is_object(), "{name}: {json}");
            assert_eq!(output.status.code(), Some(0), "{name}: {said}");
        }
    }
    assert!(needs.is_empty(), "no commands: {needs:?}");
}

#[test]
fn down_lists_what_it_removed() {
    let lab = Lab::new();
    lab.apply(FILE);
    let json: Value = serde_json::from_str(&success(&lab.ipvs_bpf(&["down", "--json"]))).unwrap();
    let removed = json["removed"].as_array().unwrap();
    assert!(removed.contains(&"tcp://10.0.0.1:80".into()), "{json}");
    assert!(removed.contains(&"local IPs (1)".into()), "{json}");
    assert_eq!(json["error"], Value::Null);
}

#[test]
fn local_ips_are_in_the_order_of_their_addresses() {
    let lab = Lab::new();
    let addresses = [
        "10.2.0.9",
        "10.2.0.20",
        "10.2.0.100",
        "10.2.0.101",
        "10.2.0.250",
        "10.3.0.1",
        "fd00:2::9",
        "fd00:2::100",
    ];
    let mut listed = addresses;
    listed.reverse();
    lab.apply(&FILE.replace("[\"10.2.0.100\"]", &format!("{listed:?}")));
    let json = |arguments: &[&str]| -> Vec<String> {
        let text = success(&lab.ipvs_bpf(&[&["show", "--json"][..], arguments].concat()));
        let json: Value = serde_json::from_str(&text).unwrap();
        let local_ips = json["local_ips"].as_array().unwrap().iter();
        let addresses = local_ips.map(|of| of["address"].as_str().unwrap().to_owned());
        addresses.collect()
    };
    assert_eq!(json(&[]), addresses);
    assert_eq!(json(&["--local-ips"]), addresses);
    let words = |text: &str, line: &str, word: usize| -> Vec<String> {
        let lines = text.lines().filter(|it| it.starts_with(line));
        let split = lines.map(|it| it.split([' ', '"']).filter(|it| !it.is_empty()));
        let found = split.map(|mut words| words.nth(word).unwrap().to_owned());
        found.collect()
    };
    let table = success(&lab.ipvs_bpf(&["show", "--local-ips"]));
    assert_eq!(words(&table, "default ", 1), addresses);
    let metrics = success(&lab.ipvs_bpf(&["metrics"]));
    assert_eq!(words(&metrics, "ipvs_bpf_local_ip_ports{", 5), addresses);
}
