// SPDX-License-Identifier: GPL-2.0-only
//! `[timeouts]`, `[sysctl]` and `[sync]`: what holds for the whole namespace.
//! They are read and checked; `unsupported.rs` refuses them.

use super::diagnostics::Mistake;
use super::reader::{Section, integer};
use super::value;

pub(super) fn timeouts(section: Section) {
    for key in ["tcp", "tcp_fin", "udp"] {
        if let Some((text, span)) = section.string(key)
            && let Err(why) = value::duration(text)
        {
            section
                .mistakes
                .add(Mistake::new(span, format!("`{text}` is no duration")).label(why));
        }
    }
    section.finish();
}

pub(super) fn sysctl(section: &Section) {
    for (_, _, value) in section.entries() {
        integer(value, i64::MIN, i64::MAX, section.mistakes);
    }
}

pub(super) fn sync(section: Section) {
    for key in ["master", "backup"] {
        let Some(daemon) = section.section(key, "a sync daemon") else {
            continue;
        };
        if let Some(value) = daemon.require("interface") {
            super::reader::string(value, daemon.mistakes);
        }
        daemon.integer("id", 0, 255);
        daemon.finish();
    }
    section.finish();
}
