// SPDX-License-Identifier: GPL-2.0-only
//! Finds the existing network namespaces, by their inode numbers.
//!
//! The kernel has no list of them. This finds a namespace if a process or a thread is in it,
//! if a file of it is mounted (`ip netns add`, container runtimes), or if a process has such a
//! file open. It misses one that only a socket keeps alive.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// `PROC_PID_INIT_INO` (linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xeffffffc;

/// The namespaces of processes and mounts. `None` if this process cannot see every process of
/// the host.
pub fn network_namespaces() -> Option<HashSet<u64>> {
    if fs::metadata("/proc/self/ns/pid").ok()?.ino() != INITIAL_PID_NAMESPACE {
        return None;
    }
    let mut live = HashSet::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        // The process may have just ended, and a zombie has no namespace.
        if let Ok(namespace) = fs::metadata(entry.path().join("ns/net")) {
            live.insert(namespace.ino());
        }
    }
    for path in ["/proc/1/mountinfo", "/proc/thread-self/mountinfo"] {
        live.extend(mounted(&fs::read_to_string(path).ok()?));
    }
    Some(live)
}

/// The namespaces of threads and open files. This reads much more of /proc.
pub fn held_network_namespaces() -> HashSet<u64> {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
    let mut held = HashSet::new();
    for process in entries(Path::new("/proc")) {
        for thread in entries(&process.path().join("task")) {
            let namespace = fs::metadata(thread.path().join("ns/net"));
            held.extend(namespace.map(|namespace| namespace.ino()));
        }
        for file in entries(&process.path().join("fd")) {
            let target = fs::read_link(file.path()).ok();
            held.extend(target.as_deref().and_then(Path::to_str).and_then(named));
        }
    }
    held
}

/// The fourth field of a line is the root of the mount (proc_pid_mountinfo(5)).
fn mounted(mountinfo: &str) -> impl Iterator<Item = u64> {
    let roots = mountinfo.lines().filter_map(|line| line.split(' ').nth(3));
    roots.filter_map(named)
}

/// The inode in the name of a namespace, for example `net:[4026532286]`.
fn named(text: &str) -> Option<u64> {
    text.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_this_process_is_found() {
        let own = fs::metadata("/proc/self/ns/net").unwrap().ino();
        assert!(network_namespaces().is_none_or(|live| live.contains(&own)));
    }

    #[test]
    fn mounted_namespaces_are_found_and_nothing_else() {
        let text = "24 31 0:22 / /proc rw,nosuid shared:14 - proc proc rw\n\
             640 29 0:4 net:[4026532286] /run/netns/a rw shared:318 - nsfs nsfs rw\n\
             641 29 0:4 mnt:[4026532290] /run/x rw shared:318 - nsfs nsfs rw\n\
             short\n";
        assert_eq!(mounted(text).collect::<Vec<_>>(), [4026532286]);
    }
}
