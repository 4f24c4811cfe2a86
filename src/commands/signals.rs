// SPDX-License-Identifier: GPL-2.0-only
//! SIGINT, SIGTERM and SIGHUP while the kernel is being changed or waited
//! for: noted when they come, obeyed where nothing is cut in two.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use signal_hook::flag;

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// Between two looks at what came.
const PAUSE: Duration = Duration::from_millis(50);

/// From its making on these signals no longer end the process.
pub(super) struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// What is ignored, as nohup(1) has it for SIGHUP, stays ignored.
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

    /// The last one that came.
    pub fn came(&self) -> Option<Signal> {
        let number = self.0.load(Ordering::Relaxed);
        SIGNALS
            .into_iter()
            .find(|signal| *signal as usize == number)
    }

    /// Waits for one, for at most so long.
    pub fn within(&self, patience: Duration) -> Option<Signal> {
        let begin = Instant::now();
        loop {
            let left = patience.saturating_sub(begin.elapsed());
            match self.came() {
                None if !left.is_zero() => sleep(PAUSE.min(left)),
                came => return came,
            }
        }
    }
}

/// Signal N is bit N - 1 (proc_pid_status(5)).
fn ignored() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    Ok(mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0))
}
