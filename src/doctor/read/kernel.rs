// SPDX-License-Identifier: GPL-2.0-only
//! Reads the facts of the running kernel.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::line;
use crate::datapath::Pins;
use crate::doctor::kernel::Kernel;

pub fn read() -> Kernel {
    let release = line("/proc/sys/kernel/osrelease").unwrap_or_default();
    Kernel {
        config: config(&release),
        has_btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
        has_bpf_fs: Pins::has_file_system(),
        jit: line("/proc/sys/net/core/bpf_jit_enable"),
        release,
    }
}

/// Reads the configuration from the usual places. Unset options are comments
/// there.
fn config(release: &str) -> Option<BTreeMap<String, String>> {
    let places = [
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
    ];
    let text = places
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    Some(
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    )
}
