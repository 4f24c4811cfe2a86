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
    /// `done` of the steps were carried out.
    pub fn new(steps: &[Step], done: usize) -> Self {
        let (carried_out, left) = steps.split_at_checked(done).unwrap_or((steps, &[]));
        let last = carried_out.iter().skip(done.saturating_sub(MOST));
        Progress {
            done: (last.map(Step::to_string).collect(), carried_out.len()),
            left: (
                left.iter().take(MOST).map(Step::to_string).collect(),
                left.len(),
            ),
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
