// SPDX-License-Identifier: GPL-2.0-only
//! The ruleset, by nft(8), which alone reads what it wrote.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::line;
use crate::doctor::firewall::{Rules, rules};

/// None where there is no nft, and where nf_tables is not loaded, since asking
/// would load it.
pub fn read() -> Rules {
    if !has_nf_tables() {
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

/// As a module that is loaded, or built into the kernel.
fn has_nf_tables() -> bool {
    if Path::new("/sys/module/nf_tables").exists() {
        return true;
    }
    let release = line("/proc/sys/kernel/osrelease").unwrap_or_default();
    let builtin = fs::read_to_string(format!("/lib/modules/{release}/modules.builtin"));
    builtin.is_ok_and(|files| files.lines().any(|file| file.ends_with("/nf_tables.ko")))
}
