// SPDX-License-Identifier: GPL-2.0-only
//! Decides whether a changed file is complete. A part of a file may be a valid file, and
//! applying it would remove the services of the rest.
//!
//! A file is complete when its writer closes it, or when it is moved to its place. Without
//! such an event (a network file system, a mapping, a hard link) it is complete if it stays
//! the same until the next periodic comparison.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::pace::COMPARE;
use crate::config::{Stamp, stamp, watched_paths};

#[derive(Default)]
pub(super) struct Settling {
    /// The files that were closed or moved here, as they were then.
    completed: BTreeMap<PathBuf, Stamp>,
    /// True if a symbolic link or a folder was replaced. That takes effect at once, and the
    /// files behind it are not named.
    replaced: bool,
    /// The changed files, and since when they are as they are.
    waiting: BTreeMap<PathBuf, (Stamp, Instant)>,
}

impl Settling {
    /// The file was closed by a writer, or moved here.
    pub fn completed(&mut self, path: &Path) {
        match path.symlink_metadata() {
            Ok(file) if file.is_file() => {
                self.completed.insert(path.to_owned(), stamp(path));
            }
            Ok(_) => self.replaced = true,
            Err(_) => {}
        }
    }

    /// True if all changed files are complete. `changes`: the files that differ from those
    /// that were read, as they are now. A file that is gone is complete.
    pub fn is_settled(&mut self, changes: &BTreeMap<PathBuf, Stamp>, now: Instant) -> bool {
        self.waiting.retain(|path, _| changes.contains_key(path));
        let mut is_settled = true;
        for (path, stamp) in changes {
            let waiting = self.waiting.entry(path.clone());
            let (before, since) = waiting.or_insert((*stamp, now));
            if before != stamp {
                (*before, *since) = (*stamp, now);
            }
            let is_completed =
                || watched_paths(path).any(|path| self.completed.get(&path) == Some(stamp));
            is_settled &= stamp.is_none()
                || self.replaced
                || now.duration_since(*since) >= COMPARE
                || is_completed();
        }
        if is_settled {
            *self = Settling::default();
        }
        is_settled
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// The change of this file.
    fn change(path: &Path) -> BTreeMap<PathBuf, Stamp> {
        [(path.to_owned(), stamp(path))].into()
    }

    #[test]
    fn a_file_is_complete_when_its_writer_closed_it_and_not_after_more_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.toml");
        fs::write(&path, "a").unwrap();
        let now = Instant::now();
        let mut settling = Settling::default();
        assert!(!settling.is_settled(&change(&path), now));
        settling.completed(&path);
        fs::write(&path, "ab").unwrap();
        assert!(!settling.is_settled(&change(&path), now));
        settling.completed(&path);
        assert!(settling.is_settled(&change(&path), now));
        fs::write(&path, "abc").unwrap();
        assert!(!settling.is_settled(&change(&path), now));
    }

    #[test]
    fn another_file_of_the_folder_completes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.toml");
        let other = folder.path().join("other");
        fs::write(&path, "a").unwrap();
        fs::write(&other, "a").unwrap();
        let mut settling = Settling::default();
        settling.completed(&other);
        assert!(!settling.is_settled(&change(&path), Instant::now()));
    }

    #[test]
    fn without_an_event_a_file_is_complete_when_it_stays_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.toml");
        let begin = Instant::now();
        let mut settling = Settling::default();
        for round in 0..4 {
            fs::write(&path, "a".repeat(round + 1)).unwrap();
            let now = begin + COMPARE * u32::try_from(round).unwrap();
            assert!(!settling.is_settled(&change(&path), now));
            let soon = now + Duration::from_millis(200);
            assert!(!settling.is_settled(&change(&path), soon));
        }
        assert!(settling.is_settled(&change(&path), begin + COMPARE * 4));
    }

    #[test]
    fn a_file_that_is_gone_and_a_link_that_was_replaced_are_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.toml");
        let now = Instant::now();
        let mut settling = Settling::default();
        assert!(settling.is_settled(&change(&path), now));
        let file = folder.path().join("1");
        fs::write(&file, "a").unwrap();
        std::os::unix::fs::symlink("1", &path).unwrap();
        settling.completed(&path);
        assert!(settling.is_settled(&change(&path), now));
        // A file behind a link is named by its own path.
        fs::write(&file, "ab").unwrap();
        assert!(!settling.is_settled(&change(&path), now));
        settling.completed(&file.canonicalize().unwrap());
        assert!(settling.is_settled(&change(&path), now));
    }
}
