// SPDX-License-Identifier: GPL-2.0-only
//! Reads the nftables ruleset with nft(8), because only nft can decode its own
//! rules.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::line;
use crate::doctor::firewall::{Rules, rules};

/// Returns the rules, or none if nft is missing or nf_tables is not loaded. A
/// query would load nf_tables.
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

/// True if nf_tables is a loaded module, or built into the kernel.
fn has_nf_tables() -> bool {
    if Path::new("/sys/module/nf_tables").exists() {
        return true;
    }
    let release = line("/proc/sys/kernel/osrelease").unwrap_or_default();
    let builtin = fs::read_to_string(format!("/lib/modules/{release}/modules.builtin"));
    builtin.is_ok_and(|files| files.lines().any(|file| file.ends_with("/nf_tables.ko")))
}
