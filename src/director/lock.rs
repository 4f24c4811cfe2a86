// SPDX-License-Identifier: GPL-2.0-only
//! Serializes changes on this host. Network namespaces share the module, so one could
//! unload it just after another has loaded it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

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
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::file(FILE)(errno.into()))?;
        Ok(Lock { _file: lock })
    }

    /// `None` if another process holds the lock.
    pub fn try_take() -> Result<Option<Self>, Error> {
        Ok(attempt()?.ok())
    }
}

/// The lock, or the open file if another process holds it.
fn attempt() -> Result<Result<Lock, File>, Error> {
    let file = open(FILE.as_ref()).map_err(Error::file(FILE))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Ok(Lock { _file: lock })),
        Err((file, Errno::EWOULDBLOCK)) => Ok(Err(file)),
        Err((_, errno)) => Err(Error::file(FILE)(errno.into())),
    }
}

/// Opens a file to be locked, in the folder, which it makes if it does not exist. A user who
/// can open a file can also lock it forever, so only root can.
pub(super) fn open(path: &Path) -> io::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(FOLDER)?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    // An earlier build may have made it for all to read.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}
