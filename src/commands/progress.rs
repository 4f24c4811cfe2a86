// SPDX-License-Identifier: GPL-2.0-only
//! How far an `apply` came that did not reach its end, in words.

use std::fmt;

use crate::plan::Step;

/// Lines of a list; nobody reads thousands.
const MOST: usize = 10;

#[derive(Debug)]
pub(super) struct Progress {
    /// The last of those that were carried out, and how many they are.
    done: (Vec<String>, usize),
    /// The first of those that were not.
    left: (Vec<String>, usize),
}

impl Progress {
    /// `done` says of each step whether it was carried out; of what is missing
    /// at its end, it was not.
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
        f.write_str("another `ipvs-bpf apply` goes on from here")
    }
}
