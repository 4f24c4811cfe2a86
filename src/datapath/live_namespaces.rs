// SPDX-License-Identifier: GPL-2.0-only
//! Finds the existing network namespaces, by their inode numbers.
//!
//! The kernel has no list of them. This finds a namespace if a process or a thread is in it,
//! if a file of it is mounted (`ip netns add`, container runtimes), or if a process has such a
//! file open. It misses one that only a socket keeps alive.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc;

/// `PROC_PID_INIT_INO` (linux/proc_ns.h).
const INITIAL_PID_NAMESPACE: u64 = 0xeffffffc;

/// The namespaces of processes and mounts. `None` if this process cannot see every process of
/// the host.
pub fn network_namespaces() -> Option<HashSet<u64>> {
    if fs::metadata("/proc/self/ns/pid").ok()?.ino() != INITIAL_PID_NAMESPACE {
        return None;
    }
    let mut live = HashSet::new();
    for process in processes()? {
        live.extend(namespace_of(&process)?);
    }
    for path in ["/proc/1/mountinfo", "/proc/thread-self/mountinfo"] {
        live.extend(mounted(&fs::read_to_string(path).ok()?));
    }
    Some(live)
}

/// The namespaces of threads and open files. This reads much more of /proc. `None`, as above.
pub fn held_network_namespaces() -> Option<HashSet<u64>> {
    let mut held = HashSet::new();
    for process in processes()? {
        for thread in unless_ended(entries(&process.join("task")))?.unwrap_or_default() {
            held.extend(namespace_of(&thread)?);
        }
        for file in unless_ended(entries(&process.join("fd")))?.unwrap_or_default() {
            let target = unless_ended(fs::read_link(file))?;
            held.extend(target.as_deref().and_then(Path::to_str).and_then(named));
        }
    }
    Some(held)
}

/// The folders of processes.
fn processes() -> Option<Vec<PathBuf>> {
    let mut folders = entries(Path::new("/proc")).ok()?;
    let is_number = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    folders.retain(|folder| folder.file_name().is_some_and(is_number));
    Some(folders)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let path = |entry: io::Result<DirEntry>| entry.map(|entry| entry.path());
    fs::read_dir(folder)?.map(path).collect()
}

/// The namespace of a process or thread. A zombie has none.
fn namespace_of(task: &Path) -> Option<Option<u64>> {
    let namespace = unless_ended(fs::metadata(task.join("ns/net")))?;
    Some(namespace.as_ref().map(Metadata::ino))
}

/// The result, unless the process or thread has ended meanwhile. `None`: it cannot be seen, as
/// without CAP_SYS_PTRACE.
fn unless_ended<T>(result: io::Result<T>) -> Option<Option<T>> {
    match result {
        Ok(value) => Some(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Some(None),
        Err(_) => None,
    }
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
    fn only_a_process_that_ended_is_passed_over() {
        let failed = |errno| unless_ended::<()>(Err(io::Error::from_raw_os_error(errno)));
        assert_eq!(failed(libc::ENOENT), Some(None));
        assert_eq!(failed(libc::ESRCH), Some(None));
        for errno in [libc::EACCES, libc::EPERM, libc::EMFILE, libc::ENOMEM] {
            assert_eq!(failed(errno), None);
        }
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
