// SPDX-License-Identifier: GPL-2.0-only
//! The ruleset, by nft(8), which alone reads what it wrote.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::doctor::firewall::{Rules, rules};

/// None where there is no nft, and where nf_tables is not loaded, since asking
/// would load it.
pub fn read() -> Rules {
    if !Path::new("/sys/module/nf_tables").exists() {
        return Rules::new();
    }
    let output = Command::new("nft")
        .args(["-j", "list", "ruleset"])
        .stdin(Stdio::null())
        .output();
    let ruleset = output
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| serde_json::from_slice(&output.stdout).ok());
    ruleset.as_ref().map(rules).unwrap_or_default()
}
