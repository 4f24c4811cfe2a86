// SPDX-License-Identifier: GPL-2.0-only
//! `[timeouts]`.

use super::reader::{Section, form};
use super::value;
use crate::model::Timeouts;

pub(super) fn read(section: Section) -> Timeouts {
    let seconds = |key| {
        let value = section.take(key)?;
        form(value, key, "duration", value::duration, section.mistakes).map(|(seconds, _)| seconds)
    };
    let timeouts = Timeouts {
        tcp: seconds("tcp"),
        tcp_fin: seconds("tcp_fin"),
        udp: seconds("udp"),
    };
    section.finish();
    timeouts
}
