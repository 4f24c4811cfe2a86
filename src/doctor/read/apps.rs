// SPDX-License-Identifier: GPL-2.0-only
//! Reads the applications of IPVS.

use std::fs;

use crate::doctor::apps::{App, app};

/// Returns the applications, or an empty list if IPVS is not loaded.
pub fn read() -> Vec<App> {
    let text = fs::read_to_string("/proc/thread-self/net/ip_vs_app").unwrap_or_default();
    text.lines().filter_map(app).collect()
}
