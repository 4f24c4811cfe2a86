// SPDX-License-Identifier: GPL-2.0-only
//! The files that a reading looked at, and whether they are still the same.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::include::Pattern;

#[derive(Clone, Debug)]
pub struct Sources {
    root: PathBuf,
    patterns: Vec<Pattern>,
    /// The files as they were just before they were read.
    seen: BTreeMap<PathBuf, Stamp>,
}

/// Device, inode, time of the last change in seconds and nanoseconds, and size of a file.
/// `None`: it is not there.
type Stamp = Option<(u64, u64, i64, i64, u64)>;

impl Sources {
    /// The sources of a file that is going to be read now.
    pub fn of(root: &Path) -> Self {
        let mut sources = Sources {
            root: root.to_owned(),
            patterns: Vec::new(),
            seen: BTreeMap::new(),
        };
        sources.add_file(root);
        sources
    }

    /// The file includes what matches this pattern.
    pub(super) fn add(&mut self, pattern: Pattern) {
        self.patterns.push(pattern);
    }

    /// The file is going to be read now.
    pub(super) fn add_file(&mut self, path: &Path) {
        self.seen.insert(path.to_owned(), stamp(path));
    }

    /// True if reading the file again may have another result.
    pub fn have_changed(&self) -> bool {
        let included = self.patterns.iter().flat_map(Pattern::files);
        let now: BTreeMap<PathBuf, Stamp> = std::iter::once(self.root.clone())
            .chain(included)
            .map(|path| {
                let stamp = stamp(&path);
                (path, stamp)
            })
            .collect();
        now != self.seen
    }

    /// The folders whose events tell of a change: those of the files, those that symbolic
    /// links lead to, and those that patterns look into.
    pub fn folders(&self) -> Vec<PathBuf> {
        let of = |path: &Path| match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let of_files = self.seen.keys().flat_map(|path| {
            let real = path.canonicalize().ok();
            [Some(of(path)), real.map(|path| of(&path))]
        });
        let of_patterns = self.patterns.iter();
        let of_patterns = of_patterns.map(|pattern| pattern.folder().to_owned());
        let mut folders: Vec<PathBuf> = of_files.flatten().chain(of_patterns).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

fn stamp(path: &Path) -> Stamp {
    let it = fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.mtime(), it.mtime_nsec(), it.size()))
}
