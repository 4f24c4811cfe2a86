// SPDX-License-Identifier: GPL-2.0-only
//! How far something that takes long has come, on standard error: a bar on a
//! terminal, elsewhere a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::say;

/// Between two lines.
const NOW_AND_THEN: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(100);
const BAR: &str = "{spinner} {wide_bar} {pos}/{len}  {msg}  {elapsed}";

pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    said: Option<Instant>,
}

impl Progress {
    /// With `lines` false nothing is said where there is no terminal.
    pub fn new(lines: bool) -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        // Invisible unless standard error is a terminal.
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

    /// So many are left; the most that there ever were is the whole.
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
