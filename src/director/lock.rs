// SPDX-License-Identifier: GPL-2.0-only
//! Serializes changes on this host. Network namespaces share the module, so one could
//! unload it just after another has loaded it.

use std::fs::{self, File};
use std::io;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::Error;

pub(super) const FOLDER: &str = "/run/ipvs-bpf";
const FILE: &str = "/run/ipvs-bpf/lock";

/// The lock is held until this is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Takes the lock. If another process holds it, calls `waiting` and waits.
    pub fn take(waiting: impl FnOnce()) -> Result<Self, Error> {
        let file = match attempt()? {
            Ok(lock) => return Ok(lock),
            Err(file) => file,
        };
        waiting();
        let lock =
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| fail(errno.into()))?;
        Ok(Lock { _file: lock })
    }

    /// `None` if another process holds the lock.
    pub fn try_take() -> Result<Option<Self>, Error> {
        Ok(attempt()?.ok())
    }
}

/// The lock, or the open file if another process holds it.
fn attempt() -> Result<Result<Lock, File>, Error> {
    fs::create_dir_all(FOLDER).map_err(fail)?;
    let file = File::create(FILE).map_err(fail)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Ok(Lock { _file: lock })),
        Err((file, Errno::EWOULDBLOCK)) => Ok(Err(file)),
        Err((_, errno)) => Err(fail(errno.into())),
    }
}

fn fail(source: io::Error) -> Error {
    Error::File {
        path: FILE.into(),
        source,
    }
}
