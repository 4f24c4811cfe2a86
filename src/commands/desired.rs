// SPDX-License-Identifier: GPL-2.0-only
//! Reads the user's file and derives the state that it asks for.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Error, warnings};
use crate::config::{self, Config, Diagnostics};
use crate::director;
use crate::model::{SourceLines, State};
use crate::output;

/// A file as it applies to this host.
pub(super) struct Desired {
    pub state: State,
    /// The interfaces that the file lists and this host lacks. The state does not contain
    /// them.
    pub absent: BTreeSet<String>,
    /// True if the file asks only for the receiver of clients' addresses. Nothing else is
    /// then read.
    pub is_of_server: bool,
    /// The lines that services and rules are from.
    pub places: SourceLines,
}

impl Desired {
    /// The file on a host with these interfaces.
    pub fn of(config: &Config, interfaces: &[String]) -> Self {
        Desired {
            state: config.desired(interfaces),
            absent: config.absent(interfaces),
            is_of_server: config.is_of_server(),
            places: config.places(),
        }
    }

    /// Reads the part of the running state that the file decides.
    pub fn observe(&self) -> Result<State, director::Error> {
        match self.is_of_server {
            true => director::observe_receiver(),
            false => director::observe(),
        }
    }

    /// Returns warnings about the state, which is valid but probably not intended.
    pub fn warnings(&self) -> Vec<String> {
        match self.is_of_server {
            true => Vec::new(),
            false => warnings::of(&self.state, &self.places),
        }
    }
}

pub(super) fn read(path: &Path) -> Result<Desired, Error> {
    let config = config::read(path)?;
    let interfaces = director::interfaces()?;
    warn(config.warnings_on(&interfaces));
    Ok(Desired::of(&config, &interfaces))
}

/// Prints warnings about the file, which is valid but probably not intended.
pub(super) fn warn(warnings: Option<Diagnostics>) {
    if let Some(warnings) = warnings {
        let colour = output::colour(&std::io::stderr());
        output::say(format_args!("{}\n", warnings.render(colour)));
    }
}
