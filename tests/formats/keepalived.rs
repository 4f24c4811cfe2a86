// SPDX-License-Identifier: GPL-2.0-only
//! Random text of keepalived: a good file, or mistakes that can be shown.

use ipvs_bpf::config;
use ipvs_bpf::keepalived::import;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Words that keepalived.conf has, and some that it has not.
const WORDS: [&str; 44] = [
    "virtual_server",
    "virtual_server",
    "virtual_server",
    "real_server",
    "real_server",
    "virtual_server_group",
    "group",
    "web",
    "fwmark",
    "7",
    "0",
    "-1",
    "99999999999",
    "10.0.0.1",
    "10.0.0.1-9",
    "10.0.0.250-1",
    "fd00::1",
    "fd00::1-ffff",
    "80",
    "{",
    "{",
    "{",
    "}",
    "}",
    "}",
    "\n",
    "\n",
    "\n",
    "lb_algo",
    "rr",
    "mh-port",
    "lb_kind",
    "NAT",
    "TUN type gue",
    "port",
    "persistence_timeout",
    "persistence_granularity",
    "255.255.0.0",
    "protocol UDP",
    "weight",
    "$x",
    "\"",
    "# comment",
    "é",
];

proptest! {
    #[test]
    fn any_text_gives_a_file_or_mistakes(words in vec(select(WORDS.to_vec()), 0..60)) {
        let text = words.join(" ");
        match import("input", &text) {
            Ok(toml) => {
                config::parse("imported", &toml).unwrap();
            }
            Err(mistakes) => {
                prop_assert!(mistakes.count() > 0 || text.trim().is_empty());
                let shown = mistakes.render(false);
                prop_assert!(!shown.contains(|c: char| c.is_control() && c != '\n'));
            }
        }
    }

    /// Lines of a good file in another order, with some missing.
    #[test]
    fn a_file_in_disorder_gives_a_file_or_mistakes(lines in lines()) {
        if let Ok(toml) = import("input", &lines.concat()) {
            config::parse("imported", &toml).unwrap();
        }
    }
}

fn lines() -> impl Strategy<Value = Vec<&'static str>> {
    let good = concat!(
        include_str!("keepalived_with_checks.conf"),
        include_str!("keepalived_groups_and_marks.conf")
    );
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let all = lines.len();
    prop_oneof![
        vec(select(lines.clone()), 0..40),
        proptest::sample::subsequence(lines, 0..=all),
    ]
}
