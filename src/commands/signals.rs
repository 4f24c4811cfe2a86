// SPDX-License-Identifier: GPL-2.0-only
//! SIGINT, SIGTERM and SIGHUP during changes to the kernel and during waits.
//! They are noted on arrival and obeyed at points where no operation is
//! interrupted.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use signal_hook::flag;

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// The time between two checks for a signal.
const PAUSE: Duration = Duration::from_millis(50);

/// From the creation of this value on, these signals do not end the process.
pub(super) struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Starts to note signals. Ignored signals stay ignored, such as SIGHUP
    /// under nohup(1).
    pub fn note() -> io::Result<Self> {
        let ignored = ignored()?;
        let noted = Arc::new(AtomicUsize::new(0));
        for signal in SIGNALS {
            let number = signal as i32;
            if ignored & (1 << (number - 1)) == 0 {
                flag::register_usize(number, Arc::clone(&noted), number as usize)?;
            }
        }
        Ok(Signals(noted))
    }

    /// Returns the last signal that arrived.
    pub fn received(&self) -> Option<Signal> {
        let number = self.0.load(Ordering::Relaxed);
        SIGNALS
            .into_iter()
            .find(|signal| *signal as usize == number)
    }

    /// Waits for a signal, at most for this time.
    pub fn within(&self, patience: Duration) -> Option<Signal> {
        let begin = Instant::now();
        loop {
            let left = patience.saturating_sub(begin.elapsed());
            match self.received() {
                None if !left.is_zero() => sleep(PAUSE.min(left)),
                came => return came,
            }
        }
    }
}

/// Returns the ignored signals. Signal N is bit N - 1 (proc_pid_status(5)).
fn ignored() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    Ok(mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0))
}
