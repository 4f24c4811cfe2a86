// SPDX-License-Identifier: GPL-2.0-only
//! The settings of the goal: the values of the file, and the kernel's values
//! for the rest.

use super::goal::Prune;
use crate::model::{State, SyncDaemon, SyncDaemons, SyncState, Timeout};

pub(super) fn complete(goal: &mut State, actual: &State, prune: Prune) {
    for timeout in Timeout::ALL {
        let listed = goal.timeouts.get(timeout);
        let mut seconds = listed.or(actual.timeouts.get(timeout));
        // The timeout is removed with the module.
        if !goal.needs_module() && Timeout::UNANSWERED.contains(&timeout) {
            seconds = None;
        }
        goal.timeouts.set(timeout, seconds);
    }
    for (name, running) in &actual.sysctls {
        let value = goal
            .sysctls
            .entry(name.clone())
            .or_insert_with(|| running.clone());
        if is_the_kernels_own(name, value, running) {
            value.clone_from(running);
        }
    }
    // The key is removed with the module.
    if !goal.needs_module() {
        goal.port_secret = None;
    } else if prune != Prune::Everything {
        goal.port_secret = goal.port_secret.or(actual.port_secret);
    }
    goal.sync = match goal.sync.take() {
        None => actual.sync.clone(),
        Some(listed) => Some(daemons(listed, actual.sync.as_ref(), prune)),
    };
}

/// `update_defense_level()` turns a 1 into a 2 while memory is short.
fn is_the_kernels_own(name: &str, listed: &str, running: &str) -> bool {
    matches!(name, "drop_entry" | "drop_packet" | "secure_tcp") && (listed, running) == ("1", "2")
}

fn daemons(mut listed: SyncDaemons, running: Option<&SyncDaemons>, prune: Prune) -> SyncDaemons {
    for state in SyncState::ALL {
        let Some(there) = running.and_then(|running| running.get(state)) else {
            continue;
        };
        let stays = match listed.get(state) {
            None => prune == Prune::Nothing,
            Some(daemon) => fits(daemon, there),
        };
        if stays {
            listed.set(state, Some(there.clone()));
        }
    }
    listed
}

/// If the file leaves the length to the kernel, any length fits.
fn fits(listed: &SyncDaemon, running: &SyncDaemon) -> bool {
    let sync_maxlen = listed.sync_maxlen.or(running.sync_maxlen);
    let listed = SyncDaemon {
        sync_maxlen,
        ..listed.clone()
    };
    listed == *running
}
