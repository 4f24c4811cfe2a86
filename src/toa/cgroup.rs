// SPDX-License-Identifier: GPL-2.0-only
//! The root cgroup of version 2. Every socket of the host is below it.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;

/// The root's inode number (kernfs).
const ROOT_INODE: u64 = 1;

/// The mount point of the root. `ip netns exec` mounts a fresh `/sys` without it, so this
/// also looks in the mount namespace of the first process.
pub fn root() -> Option<PathBuf> {
    let places = [
        ("/proc/thread-self/mountinfo", "/"),
        ("/proc/1/mountinfo", "/proc/1/root"),
    ];
    places.iter().find_map(|(mountinfo, root)| {
        let text = fs::read_to_string(mountinfo).ok()?;
        let path = text.lines().find_map(mounted)?;
        Some(Path::new(root).join(path.strip_prefix('/')?))
    })
}

/// The mount point, if the whole of cgroup v2 is mounted there (proc_pid_mountinfo(5)).
fn mounted(line: &str) -> Option<&str> {
    let (of_mount, of_file_system) = line.split_once(" - ")?;
    let mut words = of_mount.split(' ').skip(3);
    let (root, path) = (words.next()?, words.next()?);
    (root == "/" && of_file_system.split(' ').next()? == "cgroup2").then_some(path)
}

/// False in a container that sees only its own part of the hierarchy.
pub fn is_of_host(root: &Path) -> bool {
    fs::metadata(root).is_ok_and(|metadata| metadata.ino() == ROOT_INODE)
}

pub(super) fn open() -> Result<File, Error> {
    let path = root().ok_or(Error::NoCgroup)?;
    File::open(&path).map_err(|source| Error::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_the_whole_of_version_2_is_found() {
        for (line, path) in [
            (
                "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate",
                Some("/sys/fs/cgroup"),
            ),
            (
                "42 32 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
                Some("/sys/fs/cgroup/unified"),
            ),
            (
                "33 32 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
                None,
            ),
            ("31 24 0:27 /a.slice /mnt rw - cgroup2 cgroup2 rw", None),
            ("24 31 0:22 / /proc rw - proc proc rw", None),
            ("short", None),
        ] {
            assert_eq!(mounted(line), path, "{line}");
        }
    }
}
