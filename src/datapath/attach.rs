// SPDX-License-Identifier: GPL-2.0-only
//! Attaching the program to interfaces by tc, at ingress. Other tc filters can be
//! attached before or after ours, and a qdisc goes only when we made it and nothing is
//! left in it.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use aya::programs::SchedClassifier;
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, TcAttachType, TcError, TcHandle,
    qdisc_add_clsact,
};
use nix::net::if_::{if_nameindex, if_nametoindex};

use super::filters::{self, Direction, Filter};
use super::object::INGRESS;
use super::{Error, Pins, build};
use crate::rtnetlink;

/// The program at egress that versions before 0.2 attached.
const OLD_EGRESS: &str = "ipvs_egress";

fn index_of(interface: &str) -> Result<u32, Error> {
    if_nametoindex(interface).map_err(|_| Error::NoInterface(interface.to_owned()))
}

/// A folder among the pins that says that the qdisc is ours. The file system
/// takes no dots, which names of VLANs have, so it is named by index.
fn qdisc_mark(index: u32) -> String {
    format!("clsact-{index}")
}

/// Attaches the pinned program; a filter of another build is replaced.
pub fn attach(pins: &Pins, interface: &str) -> Result<(), Error> {
    let index = index_of(interface)?;
    if !rtnetlink::is_ethernet(index).map_err(Error::Filters)? {
        return Err(Error::NotEthernet(interface.to_owned()));
    }
    match qdisc_add_clsact(interface) {
        Ok(()) => {
            let mark = pins.path(&qdisc_mark(index));
            fs::create_dir_all(&mark).map_err(Error::file(mark))?;
        }
        Err(error) if is_there_already(&error) => {}
        Err(source) => {
            return Err(Error::Interface {
                interface: interface.to_owned(),
                source,
            });
        }
    }
    put(interface, &pins.path(INGRESS))
}

/// Has the program that is pinned there at an interface with a clsact qdisc. Where one
/// of ours is attached, of whatever build, the kernel replaces it in one step, and the
/// order among other filters stays.
pub(super) fn put(interface: &str, pin: &Path) -> Result<(), Error> {
    let index = index_of(interface)?;
    let fail = |source| Error::Attach {
        interface: interface.to_owned(),
        source,
    };
    let mut program = SchedClassifier::from_pin(pin).map_err(|source| Error::Program {
        name: INGRESS,
        source,
    })?;
    let mut old = filters::list(index, Direction::Ingress).map_err(Error::Filters)?;
    old.retain(|filter| filter.name == INGRESS);
    match old.iter().position(Filter::is_of_all_protocols) {
        Some(place) => {
            let link = link(interface, &old.remove(place))?;
            program.attach_to_link(link).map_err(fail)?;
        }
        None => {
            let options = TcAttachOptions::Netlink(NlOptions::default());
            program
                .attach_with_options(interface, TcAttachType::Ingress, options)
                .map_err(fail)?;
        }
    }
    // The program's links are detached when it is dropped; this one is to outlive the
    // process.
    std::mem::forget(program);
    for filter in old {
        filters::remove(index, Direction::Ingress, &filter).map_err(Error::Filters)?;
    }
    remove(index, OLD_EGRESS, Direction::Egress)
}

fn link(interface: &str, filter: &Filter) -> Result<SchedClassifierLink, Error> {
    let handle = TcHandle::new(filter.handle.major, filter.handle.minor);
    let attach_type = TcAttachType::Ingress;
    SchedClassifierLink::attached(interface, attach_type, filter.priority(), handle, None)
        .map_err(|_| Error::NoInterface(interface.to_owned()))
}

/// Takes the program off an interface. Its absence is not an error.
pub fn detach(pins: &Pins, interface: &str) -> Result<(), Error> {
    let index = index_of(interface)?;
    remove(index, INGRESS, Direction::Ingress)?;
    remove(index, OLD_EGRESS, Direction::Egress)?;
    let mark = pins.path(&qdisc_mark(index));
    // The marks go with the pins. An empty qdisc that had our programs is ours then.
    if !mark.exists() && build::is_pinned(pins) {
        return Ok(());
    }
    let used = filters::any(index, Direction::Ingress).map_err(Error::Filters)?
        || filters::any(index, Direction::Egress).map_err(Error::Filters)?;
    if !used {
        filters::remove_clsact(index).map_err(Error::Filters)?;
    }
    match fs::remove_dir(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(mark)(error)),
        _ => Ok(()),
    }
}

/// Marks the qdiscs of our programs as ours, where the marks went with the pins.
pub fn claim_qdiscs(pins: &Pins) -> Result<(), Error> {
    for interface in interfaces_with_leftovers()? {
        let mark = pins.path(&qdisc_mark(index_of(&interface)?));
        fs::create_dir_all(&mark).map_err(Error::file(mark))?;
    }
    Ok(())
}

/// Not by aya, which takes the options of every kind of filter for those of an
/// eBPF one and stumbles over other people's.
fn remove(index: u32, name: &str, direction: Direction) -> Result<(), Error> {
    for filter in filters::list(index, direction).map_err(Error::Filters)? {
        if filter.name == name {
            filters::remove(index, direction, &filter).map_err(Error::Filters)?;
        }
    }
    Ok(())
}

/// The kernel answers EEXIST when the interface has a clsact qdisc.
fn is_there_already(error: &TcError) -> bool {
    match error {
        TcError::NetlinkError(error) => error.raw_os_error() == Some(nix::libc::EEXIST),
        _ => false,
    }
}

/// The interfaces that carry the pinned program. Where another build left its own, it
/// is to be attached again.
pub fn attached_interfaces(pins: &Pins) -> Result<BTreeSet<String>, Error> {
    let fail = |source| Error::Program {
        name: INGRESS,
        source,
    };
    let program = SchedClassifier::from_pin(pins.path(INGRESS)).map_err(fail)?;
    let id = program.info().map_err(fail)?.id();
    interfaces_where(|index| has(index, Direction::Ingress, |filter| filter.program == id))
}

/// The interfaces that carry the program, of whatever build.
pub fn interfaces_with_program() -> Result<BTreeSet<String>, Error> {
    interfaces_where(|index| has(index, Direction::Ingress, |filter| filter.name == INGRESS))
}

/// The interfaces that carry a program of ours, of whatever build and version.
pub fn interfaces_with_leftovers() -> Result<BTreeSet<String>, Error> {
    interfaces_where(|index| {
        Ok(
            has(index, Direction::Ingress, |filter| filter.name == INGRESS)?
                || has(index, Direction::Egress, |filter| filter.name == OLD_EGRESS)?,
        )
    })
}

fn has(index: u32, direction: Direction, is_ours: impl Fn(&Filter) -> bool) -> Result<bool, Error> {
    let filters = filters::list(index, direction).map_err(Error::Filters)?;
    Ok(filters.iter().any(is_ours))
}

fn interfaces_where(
    mut condition: impl FnMut(u32) -> Result<bool, Error>,
) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for interface in &if_nameindex().map_err(|errno| Error::Filters(errno.into()))? {
        let Ok(name) = interface.name().to_str() else {
            continue;
        };
        if condition(interface.index())? {
            found.insert(name.to_owned());
        }
    }
    Ok(found)
}
