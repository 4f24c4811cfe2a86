// SPDX-License-Identifier: GPL-2.0-only
//! Lets time pass with instructions that do nothing, which an emulator executes fast. The
//! processor never idles, so all other instructions can be told apart from these.

use std::arch::asm;

use crate::measure::now;

pub const SECOND: u64 = 1_000_000_000;

/// A round of the waiting loop.
pub struct Round {
    pub instructions: f64,
}

impl Round {
    /// Measures many rounds. Uses the fastest try, in which no timer tick fell.
    pub fn measured() -> Self {
        const ROUNDS: u32 = 1_000;
        let tries = (0..50).map(|_| {
            let begin = now();
            (0..ROUNDS).for_each(|_| pass());
            now() - begin
        });
        let least = tries.min().expect("tries");
        Round {
            instructions: least as f64 / f64::from(ROUNDS),
        }
    }
}

fn pass() {
    unsafe { asm!(".rept 500", "nop", ".endr", options(nomem, nostack)) };
}

/// Waits until `due` and returns the number of rounds.
pub fn wait_until(due: u64) -> u64 {
    const BETWEEN: u64 = 20;
    let mut rounds = 0;
    while now() < due {
        (0..BETWEEN).for_each(|_| pass());
        rounds += BETWEEN;
    }
    rounds
}

/// Waits until no path has work left: flowtables have dropped their flows, and freed
/// memory is free.
pub fn settle() {
    wait_until(now() + 35 * SECOND);
}
