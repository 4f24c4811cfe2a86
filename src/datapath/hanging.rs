// SPDX-License-Identifier: GPL-2.0-only
//! What of others hangs at an interface: filters that packets meet before ours,
//! and a qdisc that is in the way.

use nix::net::if_::if_nametoindex;

use super::Error;
use super::filters::{self, Direction};
use super::object::{EGRESS, INGRESS};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hanging {
    pub ingress_qdisc: bool,
    /// In the order in which packets meet them; none where ours are not there.
    pub before: Vec<Foreign>,
}

/// A filter of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// `ingress`, `egress`: tc's own words.
    pub direction: &'static str,
    pub priority: u16,
    /// `bpf`, `flower`, …
    pub kind: String,
}

/// `None`: there is no such interface.
pub fn hanging(interface: &str) -> Result<Option<Hanging>, Error> {
    let Ok(index) = if_nametoindex(interface) else {
        return Ok(None);
    };
    let ingress_qdisc = filters::has_ingress_qdisc(index).map_err(Error::Filters)?;
    let mut before = Vec::new();
    for (name, direction, word) in [
        (INGRESS, Direction::Ingress, "ingress"),
        (EGRESS, Direction::Egress, "egress"),
    ] {
        let kinds = filters::kinds(index, direction).map_err(Error::Filters)?;
        let ours = kinds
            .iter()
            .position(|kind| kind.name.as_deref() == Some(name));
        let foreign = kinds
            .into_iter()
            .take(ours.unwrap_or(0))
            .map(|kind| Foreign {
                direction: word,
                priority: kind.priority,
                kind: kind.kind,
            });
        before.extend(foreign);
    }
    // A filter is listed with each of its parts.
    before.dedup();
    Ok(Some(Hanging {
        ingress_qdisc,
        before,
    }))
}
