// SPDX-License-Identifier: GPL-2.0-only
//! From the file that the user named to the state that it asks for.

use std::path::Path;

use super::Error;
use crate::config::{self, Config, Failure};
use crate::director;
use crate::model::State;

pub(super) fn read(path: &Path) -> Result<Config, Error> {
    Ok(config::read(path)?)
}

/// With the interfaces that this host has.
pub(super) fn state(path: &Path) -> Result<State, Error> {
    let config = read(path)?;
    config
        .desired(&director::interfaces()?)
        .map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)).into())
}
