// SPDX-License-Identifier: GPL-2.0-only
//! Counts the instructions that the machine executes for frames from outside. In a window
//! of time, frames come and go, and the only processor never idles: it does rounds of
//! waiting. All other instructions belong to the frames, to asking for them and to the
//! timer, and the last two are measured without frames.
//!
//! A round is `pause`s, since an emulator leaves its loop for each. So waiting for the
//! host takes few instructions, and the emulator looks for what arrives.

use std::arch::asm;

use super::generator::Generator;
use crate::measure::{median, now};

/// How often the whole is looked for.
const PATIENCE: u32 = 10_000;

/// The rounds that are measured at once.
const ROUNDS: u32 = 20;

/// Waits, in a few instructions.
pub fn pass() {
    unsafe { asm!(".rept 50", "pause", ".endr", options(nomem, nostack)) };
}

/// The cost of a window without any frames.
pub struct Windows {
    /// The instructions of a round: waiting, looking for the answer, and all that comes in
    /// between.
    round: f64,
    /// The part of all other instructions that the timer takes.
    timer: f64,
    /// The instructions of asking, and of the answer.
    asking: f64,
}

impl Windows {
    pub fn measured(generator: &Generator) -> Self {
        let (_, round) = times(|| {
            for _ in 0..ROUNDS {
                assert_eq!(generator.answer(), None);
                pass();
            }
        });
        // Instructions that an emulator executes fast, for half a second of the clock.
        let (least, mean) = times(|| {
            (0..200).for_each(|_| unsafe {
                asm!(".rept 500", "nop", ".endr", options(nomem, nostack));
            });
        });
        let mut windows = Windows {
            round: round / f64::from(ROUNDS),
            timer: 1.0 - least / mean,
            asking: 0.0,
        };
        generator.load(0, &[]);
        let asked = (0..200).map(|_| windows.cost(generator, 1, None));
        windows.asking = median(asked.collect());
        windows
    }

    /// The instructions for all frames that the generator was given. If none of them
    /// comes out, `whole` tells when all are processed.
    pub fn cost(
        &self,
        generator: &Generator,
        burst: usize,
        whole: Option<&dyn Fn() -> bool>,
    ) -> f64 {
        let mut rounds = 0;
        let begin = now();
        generator.send(burst, whole.is_none());
        while generator.answer().is_none() {
            pass();
            rounds += 1;
        }
        for looked in 0.. {
            if whole.is_none_or(|whole| whole()) {
                break;
            }
            assert!(looked < PATIENCE, "frames are lost on their way in");
            // Looking costs more than a round, so there are many rounds in between.
            for _ in 0..50 {
                assert_eq!(generator.answer(), None);
                pass();
                rounds += 1;
            }
        }
        let taken = (now() - begin) as f64 - f64::from(rounds) * self.round;
        taken * (1.0 - self.timer) - self.asking
    }
}

/// The instructions of a job, without the timer in the fastest try, and the mean.
fn times(job: impl Fn()) -> (f64, f64) {
    const TRIES: u32 = 5_000;
    let begin = now();
    let tries = (0..TRIES).map(|_| {
        let begin = now();
        job();
        now() - begin
    });
    let least = tries.min().expect("tries") as f64;
    (least, (now() - begin) as f64 / f64::from(TRIES))
}
