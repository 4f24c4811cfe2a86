// SPDX-License-Identifier: GPL-2.0-only
//! The table `[timeouts]`.

use super::diagnostics::Span;
use super::reader::{Section, form};
use super::value;
use crate::model::{Timeout, Timeouts};

#[derive(Clone, Debug, Default)]
pub(super) struct TimeoutsTable {
    pub timeouts: Timeouts,
    /// The place of the first timeout for full NAT.
    pub unanswered: Option<Span>,
}

pub(super) fn read(section: Section) -> TimeoutsTable {
    let mut table = TimeoutsTable::default();
    for timeout in Timeout::ALL {
        let key = timeout.name();
        let Some(value) = section.take(key) else {
            continue;
        };
        let read = form(value, key, "duration", value::timeout, section.mistakes);
        let Some((seconds, span)) = read else {
            continue;
        };
        table.timeouts.set(timeout, Some(seconds));
        if Timeout::UNANSWERED.contains(&timeout) {
            table.unanswered.get_or_insert(span);
        }
    }
    section.finish();
    table
}
