// SPDX-License-Identifier: GPL-2.0-only
//! Describes the progress of an incomplete `apply` in words.

use std::fmt;

use crate::plan::Step;

/// The longest list, in lines. Nobody reads thousands.
const MOST: usize = 10;

#[derive(Debug)]
pub(super) struct Progress {
    /// The last completed steps, and the number of completed steps.
    done: (Vec<String>, usize),
    /// The first remaining steps, and the number of remaining steps.
    left: (Vec<String>, usize),
}

impl Progress {
    /// `done`: for each step, true if it was carried out. Steps after its end
    /// were not.
    pub fn new(steps: &[Step], done: &[bool]) -> Self {
        let done = done.iter().copied().chain(std::iter::repeat(false));
        let (carried_out, left): (Vec<_>, Vec<_>) = steps.iter().zip(done).partition(|(_, d)| *d);
        let words = |steps: &[(&Step, bool)]| steps.iter().map(|(s, _)| s.to_string()).collect();
        let last = carried_out.len().saturating_sub(MOST);
        let first = left.len().min(MOST);
        Progress {
            done: (
                words(carried_out.get(last..).unwrap_or_default()),
                carried_out.len(),
            ),
            left: (words(left.get(..first).unwrap_or_default()), left.len()),
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((last, done), (first, left)) = (&self.done, &self.left);
        let all = done + left;
        writeln!(f, "carried out: {done} of {all} steps")?;
        if *done > last.len() {
            writeln!(f, "  … ({} before)", done - last.len())?;
        }
        for step in last {
            writeln!(f, "  {step}")?;
        }
        writeln!(f, "not carried out: {left}")?;
        for step in first {
            writeln!(f, "  {step}")?;
        }
        if *left > first.len() {
            writeln!(f, "  … ({} after)", left - first.len())?;
        }
        f.write_str("run `ipvs-bpf apply` again to continue from here")
    }
}
