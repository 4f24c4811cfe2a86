// SPDX-License-Identifier: GPL-2.0-only
//! Decides when the kernel is compared with the file again. Changes of the network often
//! come in bursts, so a comparison waits until they pause. A comparison that takes long
//! comes less often, so that following never takes more than a tenth of a processor.

use std::time::{Duration, Instant};

/// Notifications have paused after this time without one.
const PAUSE: Duration = Duration::from_millis(200);
/// Notifications without a pause wait no longer than this.
const LONGEST: Duration = Duration::from_secs(2);
/// IPVS has no notifications, so it is compared this often.
pub(super) const COMPARE: Duration = Duration::from_secs(5);
/// After a comparison, notifications cause the next one only after this many times its
/// duration.
const SHARE: u32 = 9;
/// The same for periodic comparisons.
const IDLE_SHARE: u32 = 19;
/// The first and the longest wait after a failure. Each failure doubles it.
const BACK_OFF: Duration = Duration::from_secs(1);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(60);

pub(super) struct Pace {
    /// The first and the last notification since the last comparison.
    notified: Option<(Instant, Instant)>,
    /// No notification leads to a comparison before this.
    not_before: Instant,
    /// The time of the next periodic comparison.
    next: Instant,
    failures: u32,
}

impl Pace {
    /// The first comparison is due at once.
    pub fn new(now: Instant) -> Self {
        Pace {
            notified: None,
            not_before: now,
            next: now,
            failures: 0,
        }
    }

    /// A file or the network changed.
    pub fn notified(&mut self, now: Instant) {
        let first = self.notified.map_or(now, |(first, _)| first);
        self.notified = Some((first, now));
    }

    /// A caller waits for the result, so the next comparison is due at once.
    pub fn at_once(&mut self, now: Instant) {
        self.next = now;
    }

    /// The time until the next comparison is due. Zero: it is due.
    pub fn patience(&self, now: Instant) -> Duration {
        let asked = self.notified.map(|(first, last)| {
            let paused = (last + PAUSE).min(first + LONGEST);
            paused.max(self.not_before)
        });
        let due = asked.map_or(self.next, |asked| asked.min(self.next));
        due.saturating_duration_since(now)
    }

    /// Another process holds the lock. The comparison stays due and is tried again soon.
    pub fn busy(&mut self, now: Instant) {
        self.notified = None;
        self.next = now + PAUSE;
    }

    /// A comparison began and ended. Returns the time until the next periodic one.
    pub fn ended(&mut self, began: Instant, ended: Instant, failed: bool) -> Duration {
        let duration = ended.saturating_duration_since(began);
        let at_most = |share| (duration * share).min(LONGEST_BACK_OFF);
        self.notified = None;
        self.not_before = ended + at_most(SHARE);
        let wait = if failed {
            let doubled = BACK_OFF * 2_u32.saturating_pow(self.failures.min(6));
            self.failures = self.failures.saturating_add(1);
            doubled.min(LONGEST_BACK_OFF)
        } else {
            self.failures = 0;
            COMPARE
        };
        let wait = wait.max(at_most(IDLE_SHARE));
        self.next = ended + wait;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A pace whose first comparison took this long, and the time at its end.
    fn after_a_comparison(duration: Duration) -> (Pace, Instant) {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        assert_eq!(pace.patience(begin), Duration::ZERO);
        pace.ended(begin, begin + duration, false);
        (pace, begin + duration)
    }

    #[test]
    fn without_a_notification_the_kernel_is_compared_every_few_seconds() {
        let (pace, now) = after_a_comparison(Duration::ZERO);
        assert_eq!(pace.patience(now), COMPARE);
        assert_eq!(pace.patience(now + COMPARE), Duration::ZERO);
    }

    #[test]
    fn a_notification_is_obeyed_as_soon_as_they_pause() {
        let (mut pace, now) = after_a_comparison(Duration::ZERO);
        pace.notified(now + SECOND);
        assert_eq!(pace.patience(now + SECOND), PAUSE);
        pace.notified(now + SECOND + PAUSE / 2);
        assert_eq!(pace.patience(now + SECOND + PAUSE), PAUSE / 2);
    }

    #[test]
    fn notifications_without_a_pause_are_obeyed_all_the_same() {
        let (mut pace, now) = after_a_comparison(Duration::ZERO);
        for tick in 0..20 {
            let at = now + tick * (PAUSE / 2);
            assert!(pace.patience(at) > Duration::ZERO);
            pace.notified(at);
        }
        assert_eq!(pace.patience(now + LONGEST), Duration::ZERO);
    }

    #[test]
    fn a_comparison_that_takes_long_comes_less_often() {
        let (mut pace, now) = after_a_comparison(SECOND);
        assert_eq!(pace.patience(now), IDLE_SHARE * SECOND);
        pace.notified(now);
        assert_eq!(pace.patience(now), SHARE * SECOND);
        let (mut pace, now) = after_a_comparison(100 * SECOND);
        pace.notified(now);
        assert_eq!(pace.patience(now), LONGEST_BACK_OFF);
    }

    #[test]
    fn failures_are_tried_again_after_a_time_that_doubles() {
        let (mut pace, now) = after_a_comparison(Duration::ZERO);
        let waits: Vec<u64> = (0..9)
            .map(|_| pace.ended(now, now, true).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pace.ended(now, now, false), COMPARE);
        assert_eq!(pace.ended(now, now, true), BACK_OFF);
    }

    #[test]
    fn a_notification_ends_the_wait_after_a_failure() {
        let (mut pace, now) = after_a_comparison(Duration::ZERO);
        for _ in 0..9 {
            pace.ended(now, now, true);
        }
        pace.notified(now);
        assert_eq!(pace.patience(now), PAUSE);
    }

    #[test]
    fn a_person_does_not_wait() {
        let (mut pace, now) = after_a_comparison(100 * SECOND);
        pace.at_once(now);
        assert_eq!(pace.patience(now), Duration::ZERO);
    }
}
