// SPDX-License-Identifier: GPL-2.0-only
//! Filters and programs of other tools that packets pass before our program.

use nix::net::if_::if_nametoindex;

use super::filters::{self, Direction};
use super::object::INGRESS;
use super::{Error, tcx};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The filters in the order in which packets pass them. Empty if ours is not
    /// attached.
    pub before: Vec<Foreign>,
    /// Programs that are attached by tcx (`kernel/bpf/tcx.c`): those before ours, or all
    /// if ours is not attached by tcx.
    pub programs: Vec<Program>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub id: u32,
    /// The name that its author gave it. May be empty.
    pub name: String,
}

/// A filter of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    pub priority: u16,
    /// `bpf`, `flower`, …
    pub kind: String,
}

/// `None`: there is no such interface.
pub fn earlier(interface: &str) -> Result<Option<Earlier>, Error> {
    let Ok(index) = if_nametoindex(interface) else {
        return Ok(None);
    };
    let kinds = filters::kinds(index, Direction::Ingress).map_err(Error::Rtnetlink)?;
    let ours = kinds
        .iter()
        .position(|kind| kind.name.as_deref() == Some(INGRESS));
    let mut before: Vec<_> = kinds
        .into_iter()
        .take(ours.unwrap_or(0))
        .map(|kind| Foreign {
            priority: kind.priority,
            kind: kind.kind,
        })
        .collect();
    // The kernel lists a filter once for each of its parts.
    before.dedup();
    Ok(Some(Earlier {
        before,
        programs: programs_before(interface)?,
    }))
}

/// The tcx programs that packets pass before ours.
fn programs_before(interface: &str) -> Result<Vec<Program>, Error> {
    let programs = tcx::programs(interface)?.unwrap_or_default();
    let before = programs
        .iter()
        .take_while(|program| program.name_as_str() != Some(INGRESS));
    let named = before.map(|program| Program {
        id: program.id(),
        name: program.name_as_str().unwrap_or_default().to_owned(),
    });
    Ok(named.collect())
}
