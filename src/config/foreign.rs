// SPDX-License-Identifier: GPL-2.0-only
//! Recognizes files of other programs. TOML's parser would report an error in
//! every line of such a file.

use super::diagnostics::{Mistake, Span};

/// Only this many lines are examined.
const LOOKED_AT: usize = 200;

/// Returns the program that a text belongs to, if the text is not TOML.
pub(super) fn recognize(text: &str) -> Option<Mistake> {
    let lines: Vec<(Span, &str)> = meaningful(text).collect();
    let (first, words) = lines.first()?;
    let (whose, help) = if lines.iter().any(|(_, line)| is_keepalived(line)) {
        (
            "a configuration of keepalived",
            "where keepalived runs: `ipvsadm -Sn | ipvs-bpf import -o lb.toml`",
        )
    } else if is_ipvsadm(words) {
        (
            "rules of ipvsadm",
            "`ipvs-bpf import` converts them into a file",
        )
    } else if lines.iter().any(|(_, line)| line.contains("ipvsadm ")) {
        (
            "a script that runs ipvsadm",
            "run it, then `ipvsadm -Sn | ipvs-bpf import -o lb.toml`",
        )
    } else if words.starts_with('{') || words.starts_with("[{") {
        ("JSON", WRITE)
    } else if lines.iter().all(|(_, line)| is_yaml(line)) && lines.len() > 1 {
        ("YAML", WRITE)
    } else {
        return None;
    };
    Some(Mistake::new(
        first,
        format!("this looks like {whose}, and the file is TOML"),
        help,
    ))
}

const WRITE: &str = "ipvs-bpf.toml(5) describes the file";

/// Returns the lines that are neither blank nor a comment.
fn meaningful(text: &str) -> impl Iterator<Item = (Span, &str)> {
    let mut at = 0;
    text.split_inclusive('\n')
        .map(move |line| {
            let begin = at + line.len() - line.trim_start().len();
            at += line.len();
            let line = line.trim();
            (begin..begin + line.len(), line)
        })
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(['#', '!', ';']))
        .take(LOOKED_AT)
}

fn is_keepalived(line: &str) -> bool {
    const BLOCKS: [&str; 6] = [
        "global_defs",
        "virtual_server",
        "virtual_server_group",
        "real_server",
        "vrrp_instance",
        "vrrp_script",
    ];
    let word = line.split([' ', '\t', '{']).next().unwrap_or_default();
    BLOCKS.contains(&word) && !line.contains('=')
}

fn is_ipvsadm(line: &str) -> bool {
    const VERBS: [&str; 10] = [
        "-A",
        "-a",
        "-E",
        "-e",
        "-C",
        "--add-service",
        "--add-server",
        "--edit-service",
        "--edit-server",
        "--clear",
    ];
    let word = line.split_whitespace().next().unwrap_or_default();
    VERBS.contains(&word)
}

/// Recognizes "key: value", "- element" and "---".
fn is_yaml(line: &str) -> bool {
    let line = line.strip_prefix("- ").unwrap_or(line);
    let key = line.split_once(':').map(|(key, _)| key);
    let is_key = |key: &str| {
        key.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-\"".contains(&byte))
    };
    line.starts_with("---") || !line.contains('=') && key.is_some_and(is_key)
}
