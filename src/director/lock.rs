// SPDX-License-Identifier: GPL-2.0-only
//! One change at a time in a network namespace.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;

use nix::fcntl::{Flock, FlockArg};

use super::Error;

const FOLDER: &str = "/run/ipvs-bpf";

/// Held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Of the caller's network namespace. Waits for another holder, and calls
    /// `waiting` before it does.
    pub fn take(waiting: impl FnOnce()) -> Result<Self, Error> {
        let namespace = "/proc/thread-self/ns/net";
        let inode = fs::metadata(namespace)
            .map_err(|source| Error::File {
                path: namespace.into(),
                source,
            })?
            .ino();
        let path = format!("{FOLDER}/{inode}.lock");
        let fail = |source| Error::File {
            path: path.clone().into(),
            source,
        };
        fs::create_dir_all(FOLDER).map_err(fail)?;
        let file = File::create(&path).map_err(fail)?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Lock { _file: lock }),
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => return Err(fail(errno.into())),
        };
        waiting();
        let lock =
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| fail(errno.into()))?;
        Ok(Lock { _file: lock })
    }
}
