// SPDX-License-Identifier: GPL-2.0-only
//! Reports the follower's status to the service manager (sd_notify(3)). Without one, nothing
//! happens.

use sd_notify::{NotifyState, notify};

/// The longest status, in characters. `systemctl status` shows it in one line.
const LONGEST: usize = 200;

#[derive(Default)]
pub(super) struct Manager {
    ready: bool,
    status: String,
}

impl Manager {
    /// The file is being read again, as `systemctl reload` asked.
    pub fn reloading(&mut self) {
        if !self.ready {
            return;
        }
        self.ready = false;
        let now = NotifyState::monotonic_usec_now();
        let mut state = vec![NotifyState::Reloading];
        state.extend(now);
        notify_manager(&state);
    }

    /// The kernel was compared with the file. Only the first comparison is reported.
    pub fn ready(&mut self) {
        if !self.ready {
            self.ready = true;
            notify_manager(&[NotifyState::Ready]);
        }
    }

    pub fn status(&mut self, status: &str) {
        let line = status.lines().next().unwrap_or_default();
        let line: String = line.chars().take(LONGEST).collect();
        if line != self.status {
            notify_manager(&[NotifyState::Status(&line)]);
            self.status = line;
        }
    }

    pub fn stopping(&self) {
        notify_manager(&[NotifyState::Stopping]);
    }
}

/// A manager that does not listen is its own problem.
fn notify_manager(state: &[NotifyState]) {
    let _ = notify(state);
}
