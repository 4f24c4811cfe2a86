// SPDX-License-Identifier: GPL-2.0-only
//! Attaching the programs to interfaces by tc, in both directions of a clsact
//! qdisc. Others may have filters there; ours stand beside them, and a qdisc
//! goes only when we made it and nothing is left in it.
//!
//! Netlink filters, not TCX links: the ingress program passes the service's id
//! up in `tc_classid`, which TCX does not carry.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use aya::programs::SchedClassifier;
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, TcAttachType, TcError, TcHandle,
    qdisc_add_clsact,
};
use nix::net::if_::{if_nameindex, if_nametoindex};

use super::filters::{self, Direction, Filter};
use super::object::{EGRESS, INGRESS};
use super::{Error, Pins};
use crate::rtnetlink;

const PROGRAMS: [(&str, Direction, TcAttachType); 2] = [
    (INGRESS, Direction::Ingress, TcAttachType::Ingress),
    (EGRESS, Direction::Egress, TcAttachType::Egress),
];

fn index_of(interface: &str) -> Result<u32, Error> {
    if_nametoindex(interface).map_err(|_| Error::NoInterface(interface.to_owned()))
}

/// A folder among the pins that says that the qdisc is ours. The file system
/// takes no dots, which names of VLANs have, so it is named by index.
fn qdisc_mark(index: u32) -> String {
    format!("clsact-{index}")
}

fn program(pins: &Pins, name: &'static str) -> Result<SchedClassifier, Error> {
    SchedClassifier::from_pin(pins.path(name)).map_err(|source| Error::Program { name, source })
}

/// Attaches both pinned programs; filters of another build are replaced.
pub fn attach(pins: &Pins, interface: &str) -> Result<(), Error> {
    let index = index_of(interface)?;
    if !rtnetlink::is_ethernet(index).map_err(Error::Filters)? {
        return Err(Error::NotEthernet(interface.to_owned()));
    }
    if filters::has_ingress_qdisc(index).map_err(Error::Filters)? {
        return Err(Error::IngressQdisc(interface.to_owned()));
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
    put(interface, |name| pins.path(name))
}

/// Has both programs, pinned there, at an interface with a clsact qdisc. Where
/// one of ours hangs, of whatever build, it is replaced by the kernel in one
/// step: no packet passes without, and the order beside others' filters stays.
pub(super) fn put(interface: &str, pin: impl Fn(&'static str) -> PathBuf) -> Result<(), Error> {
    let index = index_of(interface)?;
    let fail = |source| Error::Attach {
        interface: interface.to_owned(),
        source,
    };
    for (name, direction, attach_type) in PROGRAMS {
        let mut program = SchedClassifier::from_pin(pin(name))
            .map_err(|source| Error::Program { name, source })?;
        let mut old = filters::list(index, direction).map_err(Error::Filters)?;
        old.retain(|filter| filter.name == name);
        match old.iter().position(Filter::is_of_all_protocols) {
            Some(place) => {
                let link = link(interface, attach_type, &old.remove(place))?;
                program.attach_to_link(link).map_err(fail)?;
            }
            None => {
                let options = TcAttachOptions::Netlink(NlOptions::default());
                program
                    .attach_with_options(interface, attach_type, options)
                    .map_err(fail)?;
            }
        }
        // The program's links are detached when it is dropped; this one is to
        // outlive the process.
        std::mem::forget(program);
        for filter in old {
            filters::remove(index, direction, &filter).map_err(Error::Filters)?;
        }
    }
    Ok(())
}

fn link(
    interface: &str,
    attach_type: TcAttachType,
    filter: &Filter,
) -> Result<SchedClassifierLink, Error> {
    let handle = TcHandle::new(filter.handle.major, filter.handle.minor);
    SchedClassifierLink::attached(interface, attach_type, filter.priority(), handle, None)
        .map_err(|_| Error::NoInterface(interface.to_owned()))
}

/// Takes the programs off an interface. Their absence is no error.
pub fn detach(pins: &Pins, interface: &str) -> Result<(), Error> {
    let index = index_of(interface)?;
    for (name, direction, _) in PROGRAMS {
        remove(index, name, direction)?;
    }
    let mark = pins.path(&qdisc_mark(index));
    if !mark.exists() {
        return Ok(());
    }
    let used = filters::any(index, Direction::Ingress).map_err(Error::Filters)?
        || filters::any(index, Direction::Egress).map_err(Error::Filters)?;
    if !used {
        filters::remove_clsact(index).map_err(Error::Filters)?;
    }
    fs::remove_dir(&mark).map_err(Error::file(mark))
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

/// The interfaces that carry both of the pinned programs. Where another build
/// left its own, they are to be attached anew.
pub fn attached_interfaces(pins: &Pins) -> Result<BTreeSet<String>, Error> {
    let ingress = program_id(pins, INGRESS)?;
    let egress = program_id(pins, EGRESS)?;
    interfaces_where(|index| {
        Ok(has(index, Direction::Ingress, |filter| {
            filter.program == ingress
        })? && has(index, Direction::Egress, |filter| filter.program == egress)?)
    })
}

/// The interfaces that carry both programs, of whatever build.
pub fn interfaces_with_programs() -> Result<BTreeSet<String>, Error> {
    interfaces_where(|index| {
        Ok(
            has(index, Direction::Ingress, |filter| filter.name == INGRESS)?
                && has(index, Direction::Egress, |filter| filter.name == EGRESS)?,
        )
    })
}

/// The interfaces that carry a program of ours, of whatever build.
pub fn interfaces_with_leftovers() -> Result<BTreeSet<String>, Error> {
    interfaces_where(|index| {
        Ok(
            has(index, Direction::Ingress, |filter| filter.name == INGRESS)?
                || has(index, Direction::Egress, |filter| filter.name == EGRESS)?,
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

fn program_id(pins: &Pins, name: &'static str) -> Result<u32, Error> {
    let info = program(pins, name)?
        .info()
        .map_err(|source| Error::Program { name, source })?;
    Ok(info.id())
}
