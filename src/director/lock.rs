// SPDX-License-Identifier: GPL-2.0-only
//! One change at a time on this host: network namespaces share the module, and
//! one may unload it just when another has loaded it.

use std::fs::{self, File};
use std::io;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::Error;

const FOLDER: &str = "/run/ipvs-bpf";
const FILE: &str = "/run/ipvs-bpf/lock";

/// Held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Lock {
    /// Waits for another holder, and calls `waiting` before it does.
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

    /// None where another holds it.
    pub fn try_take() -> Result<Option<Self>, Error> {
        Ok(attempt()?.ok())
    }
}

/// The lock, or the open file where another holds it.
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
