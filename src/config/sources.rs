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
pub type Stamp = Option<(u64, u64, i64, i64, u64)>;

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
        !self.changes().is_empty()
    }

    /// The files that differ from those that were read, as they are now.
    pub fn changes(&self) -> BTreeMap<PathBuf, Stamp> {
        let included = self.patterns.iter().flat_map(Pattern::files);
        let now: BTreeMap<PathBuf, Stamp> = std::iter::once(self.root.clone())
            .chain(included)
            .map(|path| {
                let stamp = stamp(&path);
                (path, stamp)
            })
            .collect();
        let gone = self.seen.keys().filter(|path| !now.contains_key(*path));
        let gone: Vec<_> = gone.map(|path| (path.clone(), None)).collect();
        let mut changes = now;
        changes.retain(|path, stamp| self.seen.get(path) != Some(stamp));
        changes.extend(gone);
        changes
    }

    /// The folders whose events tell of a change: those of the files, those that symbolic
    /// links lead to, and those that patterns look into.
    pub fn folders(&self) -> Vec<PathBuf> {
        let of_files = self.seen.keys().flat_map(|path| {
            let real = path.canonicalize().ok();
            [Some(folder_of(path)), real.map(|path| folder_of(&path))]
        });
        let of_patterns = self.patterns.iter();
        let of_patterns = of_patterns.map(|pattern| pattern.folder().to_owned());
        let mut folders: Vec<PathBuf> = of_files.flatten().chain(of_patterns).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

/// The paths that events of [`Sources::folders`] have for a file: its own, and that of the
/// file that a symbolic link leads to.
pub fn watched_paths(path: &Path) -> impl Iterator<Item = PathBuf> {
    let real = path.canonicalize().ok();
    let paths = [Some(path.to_owned()), real].into_iter().flatten();
    paths.filter_map(|path| Some(folder_of(&path).join(path.file_name()?)))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

pub fn stamp(path: &Path) -> Stamp {
    let it = fs::metadata(path).ok()?;
    Some((it.dev(), it.ino(), it.mtime(), it.mtime_nsec(), it.size()))
}
