// SPDX-License-Identifier: GPL-2.0-only
//! Entering a network namespace by the name that `ip netns` gave it.

use std::fs::File;
use std::io;
use std::path::Path;

use nix::sched::{CloneFlags, setns};

use super::Error;

/// Where `ip netns` keeps them.
pub const NAMESPACES: &str = "/run/netns";

/// Only the network of the calling thread changes; files and mounts stay the caller's.
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
