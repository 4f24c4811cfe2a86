// SPDX-License-Identifier: GPL-2.0-only
//! Shows the progress of a long operation on standard error. On a terminal this
//! is a bar, elsewhere an occasional line.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::say;

/// The time between two lines.
const NOW_AND_THEN: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);
const BAR: &str = "{spinner} {wide_bar} {pos}/{len}  {msg}  {elapsed}";

pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    said: Option<Instant>,
}

impl Progress {
    /// If `lines` is false, nothing is printed without a terminal.
    pub fn new(lines: bool) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        // The bar is hidden unless standard error is a terminal.
        let lines = lines && bar.is_hidden();
        if !bar.is_hidden() {
            bar.enable_steady_tick(TICK);
        }
        Progress {
            bar,
            lines,
            said: None,
        }
    }

    /// Sets the number of remaining items. The largest number so far counts as
    /// the total.
    pub fn left(&mut self, left: u32, words: &str) {
        let left = u64::from(left);
        let all = self.bar.length().unwrap_or(0).max(left);
        self.bar.set_length(all);
        self.bar.set_position(all - left);
        self.bar.set_message(words.to_owned());
        if self.lines && self.said.is_none_or(|said| said.elapsed() >= NOW_AND_THEN) {
            say(words);
            self.said = Some(Instant::now());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
