// SPDX-License-Identifier: GPL-2.0-only
//! From the file that the user named to the state that it asks for.

use std::path::Path;

use super::Error;
use crate::config::{self, Diagnostics, Failure};
use crate::director;
use crate::model::State;
use crate::output;

/// With the interfaces that this host has.
pub(super) fn state(path: &Path) -> Result<State, Error> {
    let config = config::read(path)?;
    let interfaces = director::interfaces()?;
    let state = config
        .desired(&interfaces)
        .map_err(|diagnostics| Failure::Mistakes(Box::new(diagnostics)))?;
    warn(config.warnings_on(&interfaces));
    Ok(state)
}

/// What the file may say, but hardly means.
pub(super) fn warn(warnings: Option<Diagnostics>) {
    if let Some(warnings) = warnings {
        let colour = output::colour(&std::io::stderr());
        output::say(format_args!("{}\n", warnings.render(colour)));
    }
}
