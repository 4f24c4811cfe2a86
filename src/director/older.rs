// SPDX-License-Identifier: GPL-2.0-only
//! A module of a version before 0.2. It forwards with programs at egress and keeps its
//! sessions in eBPF maps, so it cannot work with this version. It is replaced only if it
//! has no sessions that would end.

use super::{Error, teardown};
use crate::kmod::{module, proc};

/// Fails if an older module is loaded.
pub fn refuse_older_module() -> Result<(), Error> {
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

/// Removes the older module with its programs and full-NAT services. Reports each to
/// `done` as [`teardown`] does. If it has sessions, fails and changes nothing.
pub fn remove_older_module(done: &mut dyn FnMut(&str)) -> Result<(), Error> {
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
