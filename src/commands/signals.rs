// SPDX-License-Identifier: GPL-2.0-only
//! SIGINT, SIGTERM and SIGHUP while the kernel is being changed: noted when
//! they come, obeyed between two transactions.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use signal_hook::flag;

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// From its making on these signals no longer end the process.
pub(super) struct Signals(Arc<AtomicUsize>);

impl Signals {
    pub fn note() -> io::Result<Self> {
        let noted = Arc::new(AtomicUsize::new(0));
        for signal in SIGNALS {
            let number = signal as i32;
            flag::register_usize(number, Arc::clone(&noted), number as usize)?;
        }
        Ok(Signals(noted))
    }

    /// The last one that came.
    pub fn came(&self) -> Option<Signal> {
        let number = self.0.load(Ordering::Relaxed);
        SIGNALS
            .into_iter()
            .find(|signal| *signal as usize == number)
    }
}
