// SPDX-License-Identifier: GPL-2.0-only
//! From the file that the user named to the state that it asks for.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Error, warnings};
use crate::config::{self, Diagnostics};
use crate::director;
use crate::model::State;
use crate::output;

/// A file, read on this host.
pub(super) struct Desired {
    pub state: State,
    /// The interfaces that the file lists and this host lacks: the state is without
    /// them.
    pub absent: BTreeSet<String>,
    /// It asks for the receiver of clients' addresses alone, and nothing else is looked at.
    pub is_of_server: bool,
}

impl Desired {
    /// What runs of that which the file decides.
    pub fn observe(&self) -> Result<State, director::Error> {
        match self.is_of_server {
            true => director::observe_receiver(),
            false => director::observe(),
        }
    }

    /// What is no mistake of the file, but hardly what was meant.
    pub fn warnings(&self) -> Vec<String> {
        match self.is_of_server {
            true => Vec::new(),
            false => warnings::of(&self.state),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Desired, Error> {
    let config = config::read(path)?;
    let interfaces = director::interfaces()?;
    warn(config.warnings_on(&interfaces));
    Ok(Desired {
        state: config.desired(&interfaces),
        absent: config.absent(&interfaces),
        is_of_server: config.is_of_server(),
    })
}

/// What the file may say, but hardly means.
pub(super) fn warn(warnings: Option<Diagnostics>) {
    if let Some(warnings) = warnings {
        let colour = output::colour(&std::io::stderr());
        output::say(format_args!("{}\n", warnings.render(colour)));
    }
}
