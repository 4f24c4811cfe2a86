// SPDX-License-Identifier: GPL-2.0-only
//! The applications that IPVS has.

use std::fs;

use crate::doctor::apps::{App, app};

/// None where IPVS is not loaded.
pub fn read() -> Vec<App> {
    let text = fs::read_to_string("/proc/thread-self/net/ip_vs_app").unwrap_or_default();
    text.lines().filter_map(app).collect()
}
