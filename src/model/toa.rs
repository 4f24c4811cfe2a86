// SPDX-License-Identifier: GPL-2.0-only
//! What a server does with the clients' addresses that a director tells.

use std::collections::BTreeSet;

use super::Network;

/// The receiver of clients' addresses. One that trusts nobody is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toa {
    /// The local IPs whose segments may name clients.
    pub trust: BTreeSet<Network>,
    /// The programs are of another build, have lost pins, or were being replaced when an
    /// earlier run was interrupted. Never wanted.
    pub other_build: bool,
}

impl Toa {
    pub fn is_running(&self) -> bool {
        self.other_build || !self.trust.is_empty()
    }
}
