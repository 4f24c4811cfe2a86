// SPDX-License-Identifier: GPL-2.0-only
//! The state of a running `apply --follow` for other processes, in files below `/run/ipvs-bpf`,
//! by network namespace. A file counts only while the follower holds the lock next to it,
//! so a killed follower leaves no state behind.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use serde::{Deserialize, Serialize};

use super::Error;
use super::lock::{self, FOLDER};

/// The state of a follower.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowerState {
    /// The file that it follows.
    pub file: String,
    /// False: the file has mistakes, and an earlier version of it is followed.
    pub file_valid: bool,
    /// The steps that were still to do after the last comparison.
    pub planned_changes: u64,
    /// The last time that there was something to do. `None`: never so far.
    pub last_apply: Option<LastApply>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastApply {
    /// Seconds since 1970.
    pub seconds: u64,
    pub success: bool,
}

/// Held by the follower of a network namespace.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
    record: PathBuf,
}

impl Claim {
    /// `None`: another follower holds it.
    pub fn take() -> Result<Option<Self>, Error> {
        let (path, record) = paths()?;
        let file = lock::open(&path).map_err(Error::file(&path))?;
        let taken = try_lock(&file).map_err(Error::file(&path))?;
        // Not `then_some`: a claim that is dropped removes the record.
        Ok(taken.then(|| Claim {
            _lock: file,
            record,
        }))
    }

    /// Replaces the state. Readers see the old or the new state, never a part.
    pub fn publish(&self, following: &FollowerState) -> Result<(), Error> {
        let text = serde_json::to_string(following).map_err(io::Error::from);
        let new = self.record.with_extension("new");
        text.and_then(|text| fs::write(&new, text + "\n"))
            .and_then(|()| fs::rename(&new, &self.record))
            .map_err(Error::file(&self.record))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.record);
    }
}

/// The state of the follower of the caller's network namespace. `None`: none runs.
pub fn following() -> Result<Option<FollowerState>, Error> {
    let (lock, record) = paths()?;
    let file = match File::open(&lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file(&lock)(error)),
    };
    if !is_locked(&file).map_err(Error::file(&lock))? {
        return Ok(None);
    }
    match fs::read_to_string(&record) {
        Ok(text) => Ok(serde_json::from_str(&text).ok()),
        // It has just begun or is just ending.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file(&record)(error)),
    }
}

/// Takes the lock of the file, which ends with the file. False: another process has it.
fn try_lock(file: &File) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Asks without a lock of its own, which could keep a follower from starting.
fn is_locked(file: &File) -> io::Result<bool> {
    let mut found = whole_file();
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
    Ok(i32::from(found.l_type) != libc::F_UNLCK)
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// The lock and the record of the caller's network namespace.
fn paths() -> Result<(PathBuf, PathBuf), Error> {
    let namespace = Path::new("/proc/thread-self/ns/net");
    let inode = fs::metadata(namespace)
        .map_err(Error::file(namespace))?
        .ino();
    let path = |extension| Path::new(FOLDER).join(format!("follow-{inode}.{extension}"));
    Ok((path("lock"), path("json")))
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

    #[test]
    fn a_question_about_the_lock_does_not_keep_a_follower_from_starting() {
        let place = NamedTempFile::new().unwrap();
        let asking = File::open(place.path()).unwrap();
        assert!(!is_locked(&asking).unwrap());
        let follower = place.reopen().unwrap();
        assert!(try_lock(&follower).unwrap());
        assert!(is_locked(&asking).unwrap());
        assert!(!try_lock(&place.reopen().unwrap()).unwrap());
        drop(follower);
        assert!(!is_locked(&asking).unwrap());
    }
}
