// SPDX-License-Identifier: GPL-2.0-only
//! The settings of a server that receives clients' addresses from a director.

use std::collections::BTreeSet;

use super::Network;

/// The receiver of clients' addresses. One that trusts no network counts as absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toa {
    /// The local IPs whose segments may name clients.
    pub trust: BTreeSet<Network>,
    /// The programs are of another build, have lost pins, or an earlier run was
    /// interrupted while it replaced them. A file never asks for this.
    pub other_build: bool,
}

impl Toa {
    pub fn is_running(&self) -> bool {
        self.other_build || !self.trust.is_empty()
    }
}
