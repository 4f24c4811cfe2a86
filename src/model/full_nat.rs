// SPDX-License-Identifier: GPL-2.0-only
//! The full-NAT settings of a service or of a rule.

use std::fmt;

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullNat {
    /// The pool of local IPs.
    pub pool: String,
    /// How servers get the client's address. For a rule, this applies to servers of TCP.
    /// `None`: they see a local IP.
    pub client_address: Option<ClientAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAddress {
    /// By a TCP option (`kmod/toa.c`).
    Toa,
}

/// Full NAT with only a pool.
impl<T: Into<String>> From<T> for FullNat {
    fn from(pool: T) -> Self {
        FullNat {
            pool: pool.into(),
            client_address: None,
        }
    }
}

/// The name in the configuration file.
impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientAddress::Toa => f.write_str("toa"),
        }
    }
}
