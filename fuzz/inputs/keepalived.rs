// SPDX-License-Identifier: GPL-2.0-only
//! Any bytes as keepalived.conf: a file, or mistakes that can be shown. A file that came
//! out is a good one, and the same text gives the same file.

use ipvs_bpf::config::parse;
use ipvs_bpf::keepalived::{import, is_keepalived};

pub fn take(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    is_keepalived(&text);
    let steers = |letter: char| letter.is_control() && letter != '\n';
    let toml = match import("input", &text) {
        Ok(toml) => toml,
        Err(diagnostics) => {
            assert!(diagnostics.count() > 0);
            let shown = diagnostics.render(false);
            assert_eq!(shown.find(steers), None, "{shown:?}");
            return;
        }
    };
    assert_eq!(toml.find(steers), None, "{toml:?}");
    let state = parse("imported", &toml).unwrap().on_any_host();
    // keepalived.conf does not speak of full NAT.
    assert!(state.full_nat.is_empty(), "{toml}");
    assert_eq!(import("again", &text).ok(), Some(toml));
}
