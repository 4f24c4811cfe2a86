// SPDX-License-Identifier: GPL-2.0-only
//! Attaches the program at ingress of interfaces: by tcx if the kernel has it, otherwise
//! as a tc filter. A tcx program runs before all tc filters. If other programs have tc
//! filters, ours is a tc filter too, so that theirs still see all packets ([`clsact`]).

use std::collections::BTreeSet;
use std::path::Path;

use aya::programs::SchedClassifier;
use nix::net::if_::{if_nameindex, if_nametoindex};

use super::object::INGRESS;
use super::{Error, Pins, clsact, tcx};
use crate::rtnetlink;

fn index_of(interface: &str) -> Result<u32, Error> {
    if_nametoindex(interface).map_err(|_| Error::NoInterface(interface.to_owned()))
}

fn program(pin: &Path) -> Result<SchedClassifier, Error> {
    SchedClassifier::from_pin(pin).map_err(|source| Error::Program {
        name: INGRESS,
        source,
    })
}

/// Attaches the pinned program. Replaces one of another build.
pub fn attach(pins: &Pins, interface: &str) -> Result<(), Error> {
    pins.forget_removed_interfaces()?;
    let index = index_of(interface)?;
    if !rtnetlink::is_ethernet(index).map_err(Error::Rtnetlink)? {
        return Err(Error::NotEthernet(interface.to_owned()));
    }
    if !is_for_tcx(interface, index)? {
        clsact::make_qdisc(pins, interface, index)?;
    }
    attach_pinned(pins, interface, &pins.path(INGRESS))
}

/// Attaches the program that is pinned at `pin` to an interface. The interface must have
/// a clsact qdisc if the program needs one. During a change between tcx and tc both are
/// attached, and the first one forwards.
pub(super) fn attach_pinned(pins: &Pins, interface: &str, pin: &Path) -> Result<(), Error> {
    let index = index_of(interface)?;
    let mut program = program(pin)?;
    if is_for_tcx(interface, index)? {
        tcx::attach_program(pins, interface, index, &mut program)?;
        clsact::detach(pins, index)
    } else {
        clsact::attach_program(interface, index, program)?;
        tcx::detach(pins, index)
    }
}

fn is_for_tcx(interface: &str, index: u32) -> Result<bool, Error> {
    Ok(tcx::programs(interface)?.is_some() && !clsact::has_others(index)?)
}

/// Detaches the program from an interface. If it is not attached, or the interface is gone,
/// this is not an error.
pub fn detach(pins: &Pins, interface: &str) -> Result<(), Error> {
    pins.unless_gone(interface, |index| {
        tcx::detach(pins, index)?;
        clsact::detach(pins, index)
    })
}

/// Marks the qdiscs of our programs as ours again, after the marks were lost with the
/// pins.
pub fn claim_qdiscs(pins: &Pins) -> Result<(), Error> {
    let with_filter = interfaces_where(|_, index| {
        Ok(!clsact::programs(index)?.is_empty() || clsact::has_old_egress(index)?)
    })?;
    for interface in with_filter {
        clsact::claim_qdisc(pins, index_of(&interface)?)?;
    }
    Ok(())
}

/// The interfaces where the pinned program is attached in the right way for the current
/// state. Interfaces with the program of another build are missing, so that it is
/// attached again.
pub fn attached_interfaces(pins: &Pins) -> Result<BTreeSet<String>, Error> {
    let program = program(&pins.path(INGRESS))?;
    let info = program.info().map_err(|source| Error::Program {
        name: INGRESS,
        source,
    })?;
    interfaces_where(|interface, index| {
        Ok(if is_for_tcx(interface, index)? {
            by_tcx(interface)?.contains(&info.id())
        } else {
            clsact::programs(index)?.contains(&info.id())
        })
    })
}

/// The interfaces that carry the program of any build.
pub fn interfaces_with_program() -> Result<BTreeSet<String>, Error> {
    interfaces_where(has_program)
}

/// The interfaces that carry a program of ours, of any build and version.
pub fn interfaces_with_leftovers() -> Result<BTreeSet<String>, Error> {
    interfaces_where(|interface, index| {
        Ok(has_program(interface, index)? || clsact::has_old_egress(index)?)
    })
}

/// The interfaces whose qdisc is ours. It may have no program, if an `apply` was killed.
pub fn interfaces_with_our_qdisc(pins: &Pins) -> Result<BTreeSet<String>, Error> {
    interfaces_where(|_, index| Ok(clsact::is_marked(pins, index)))
}

fn has_program(interface: &str, index: u32) -> Result<bool, Error> {
    Ok(!by_tcx(interface)?.is_empty() || !clsact::programs(index)?.is_empty())
}

/// The ids of our programs that are attached by tcx.
fn by_tcx(interface: &str) -> Result<Vec<u32>, Error> {
    let programs = tcx::programs(interface)?.unwrap_or_default();
    let ours = programs
        .iter()
        .filter(|program| program.name_as_str() == Some(INGRESS));
    Ok(ours.map(|program| program.id()).collect())
}

fn interfaces_where(
    mut condition: impl FnMut(&str, u32) -> Result<bool, Error>,
) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for interface in &if_nameindex().map_err(|errno| Error::Rtnetlink(errno.into()))? {
        let Ok(name) = interface.name().to_str() else {
            continue;
        };
        if condition(name, interface.index())? {
            found.insert(name.to_owned());
        }
    }
    Ok(found)
}
