// SPDX-License-Identifier: GPL-2.0-only
//! A module of a version before 0.2. It forwards with programs at egress and keeps its
//! sessions in eBPF maps, so nothing of this version works with it. It is exchanged
//! where no session would end with it.

use super::{Error, teardown};
use crate::kmod::{module, proc};

/// Fails where such a module is loaded.
pub(super) fn refuse() -> Result<(), Error> {
    match proc::is_of_older_module() {
        true => Err(error()?),
        false => Ok(()),
    }
}

fn error() -> Result<Error, Error> {
    Ok(Error::OlderModule {
        version: module::version().unwrap_or_default(),
        sessions: sessions()?,
    })
}

fn sessions() -> Result<u64, Error> {
    let counters = proc::counters()?.into_iter();
    let sessions = counters.filter(|(name, _)| name == "sessions");
    Ok(sessions.map(|(_, value)| value).sum())
}

/// Takes it away, with its programs and its full-NAT services, and reports that to
/// `done` as [`teardown`] does. Where sessions live in it, nothing changes.
pub fn take_away_older_module(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
    if !proc::is_of_older_module() {
        return Ok(());
    }
    if sessions()? > 0 {
        return Err(error()?);
    }
    teardown(true, done)?;
    if module::is_loaded() {
        let version = module::version().unwrap_or_default();
        return Err(Error::OlderModuleInUse { version });
    }
    Ok(())
}
