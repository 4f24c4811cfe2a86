// SPDX-License-Identifier: GPL-2.0-only
//! Other filters and programs at an interface, which packets meet before ours.

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramError, SchedClassifier};
use nix::libc;
use nix::net::if_::if_nametoindex;

use super::Error;
use super::filters::{self, Direction};
use super::object::INGRESS;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hanging {
    /// In the order in which packets meet them; none where ours are not there.
    pub before: Vec<Foreign>,
    /// Programs that are attached by tcx (`kernel/bpf/tcx.c`): packets meet them
    /// before all filters.
    pub programs: Vec<Program>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub id: u32,
    /// What its maker calls it; may be empty.
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
pub fn hanging(interface: &str) -> Result<Option<Hanging>, Error> {
    let Ok(index) = if_nametoindex(interface) else {
        return Ok(None);
    };
    let kinds = filters::kinds(index, Direction::Ingress).map_err(Error::Filters)?;
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
    // A filter is listed with each of its parts.
    before.dedup();
    Ok(Some(Hanging {
        before,
        programs: tcx(interface)?,
    }))
}

fn tcx(interface: &str) -> Result<Vec<Program>, Error> {
    let programs = match SchedClassifier::query_tcx(interface, TcAttachType::Ingress) {
        Ok((_, programs)) => programs,
        // A kernel before 6.6 has no tcx (EINVAL); interface or program went this
        // moment.
        Err(ProgramError::SyscallError(error))
            if matches!(
                error.io_error.raw_os_error(),
                Some(libc::EINVAL | libc::ENODEV | libc::ENOENT)
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(source) => {
            return Err(Error::Attach {
                interface: interface.to_owned(),
                source,
            });
        }
    };
    let named = programs.iter().map(|program| Program {
        id: program.id(),
        name: program.name_as_str().unwrap_or_default().to_owned(),
    });
    Ok(named.collect())
}
