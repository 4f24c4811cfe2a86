// SPDX-License-Identifier: GPL-2.0-only
//! One change at a time on this host: network namespaces share the module, and
//! one may unload it just when another has loaded it.

use std::fs::{self, File};

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
        let fail = |source| Error::File {
            path: FILE.into(),
            source,
        };
        fs::create_dir_all(FOLDER).map_err(fail)?;
        let file = File::create(FILE).map_err(fail)?;
        let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Lock { _file: lock }),
            Err((file, Errno::EWOULDBLOCK)) => file,
            Err((_, errno)) => return Err(fail(errno.into())),
        };
        waiting();
        let lock =
            Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| fail(errno.into()))?;
        Ok(Lock { _file: lock })
    }
}
