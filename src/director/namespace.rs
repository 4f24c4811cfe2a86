// SPDX-License-Identifier: GPL-2.0-only
//! Enters a network namespace by the name that `ip netns` gave it.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

use super::Error;

/// The folder where `ip netns` keeps the namespaces.
pub const NAMESPACES: &str = "/run/netns";

/// Changes the network namespace of the calling thread only. Its mounts stay.
pub fn enter(name: &str) -> Result<(), Error> {
    let fail = |source: io::Error| Error::Namespace {
        name: name.to_owned(),
        source,
    };
    if name.is_empty() || name.contains('/') {
        return Err(fail(io::ErrorKind::InvalidInput.into()));
    }
    let file = File::open(Path::new(NAMESPACES).join(name)).map_err(fail)?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| fail(errno.into()))
}
