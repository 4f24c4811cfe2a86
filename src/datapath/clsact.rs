// SPDX-License-Identifier: GPL-2.0-only
//! Attaches the program as a tc filter at ingress. Other filters can be attached before
//! or after ours. The qdisc is removed only if we made it and it is empty.

use std::fs;
use std::io;

use aya::programs::SchedClassifier;
use aya::programs::tc::{
    NlOptions, SchedClassifierLink, TcAttachOptions, TcAttachType, TcError, TcHandle,
    qdisc_add_clsact,
};

use super::filters::{self, Direction, Filter};
use super::object::INGRESS;
use super::{Error, Pins, build};

/// The program that versions before 0.2 attached at egress.
const OLD_EGRESS: &str = "ipvs_egress";

/// The name of a folder among the pins that marks the qdisc as ours. It has the
/// interface's index: the file system does not allow dots, which VLAN names have.
fn qdisc_mark(index: u32) -> String {
    format!("clsact-{index}")
}

/// True if filters of other programs are at ingress.
pub(super) fn has_others(index: u32) -> Result<bool, Error> {
    let kinds = filters::kinds(index, Direction::Ingress).map_err(Error::Rtnetlink)?;
    Ok(kinds
        .iter()
        .any(|kind| kind.name.as_deref() != Some(INGRESS)))
}

/// True if the qdisc of the interface is marked as ours.
pub(super) fn is_marked(pins: &Pins, index: u32) -> bool {
    pins.path(&qdisc_mark(index)).exists()
}

/// Makes the qdisc if the interface has none. Marks it first: this program may be killed in
/// between, and `down` removes the qdiscs that are marked.
pub(super) fn make_qdisc(pins: &Pins, interface: &str, index: u32) -> Result<(), Error> {
    if filters::has_clsact(index).map_err(Error::Rtnetlink)? {
        return Ok(());
    }
    claim_qdisc(pins, index)?;
    match qdisc_add_clsact(interface) {
        Ok(()) => Ok(()),
        // Another program was faster.
        Err(error) if is_there_already(&error) => remove_mark(pins, index),
        Err(source) => remove_mark(pins, index).and(Err(Error::Interface {
            interface: interface.to_owned(),
            source,
        })),
    }
}

/// Attaches the program to an interface with a clsact qdisc. If one of ours is attached,
/// of any build, the kernel replaces it in one step. Its place among other filters stays
/// the same.
pub(super) fn attach_program(
    interface: &str,
    index: u32,
    mut program: SchedClassifier,
) -> Result<(), Error> {
    let fail = |source| Error::Attach {
        interface: interface.to_owned(),
        source,
    };
    let mut old = filters::list(index, Direction::Ingress).map_err(Error::Rtnetlink)?;
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
    // Dropping the program would detach its links, but this one must outlive the process.
    std::mem::forget(program);
    for filter in old {
        filters::remove(index, Direction::Ingress, &filter).map_err(Error::Rtnetlink)?;
    }
    remove(index, OLD_EGRESS, Direction::Egress)
}

fn link(interface: &str, filter: &Filter) -> Result<SchedClassifierLink, Error> {
    let handle = TcHandle::new(filter.handle.major, filter.handle.minor);
    let attach_type = TcAttachType::Ingress;
    SchedClassifierLink::attached(interface, attach_type, filter.priority(), handle, None)
        .map_err(|_| Error::NoInterface(interface.to_owned()))
}

/// Detaches the program from an interface, and removes the qdisc if it is ours. If either
/// is missing, this is not an error.
pub(super) fn detach(pins: &Pins, index: u32) -> Result<(), Error> {
    remove(index, INGRESS, Direction::Ingress)?;
    remove(index, OLD_EGRESS, Direction::Egress)?;
    // The marks are lost with the pins. Then an empty qdisc counts as ours.
    if !is_marked(pins, index) && build::is_pinned(pins) {
        return Ok(());
    }
    let used = filters::any(index, Direction::Ingress).map_err(Error::Rtnetlink)?
        || filters::any(index, Direction::Egress).map_err(Error::Rtnetlink)?;
    if !used && filters::has_clsact(index).map_err(Error::Rtnetlink)? {
        filters::remove_clsact(index).map_err(Error::Rtnetlink)?;
    }
    remove_mark(pins, index)
}

fn remove_mark(pins: &Pins, index: u32) -> Result<(), Error> {
    let mark = pins.path(&qdisc_mark(index));
    match fs::remove_dir(&mark) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(mark)(error)),
        _ => Ok(()),
    }
}

/// Marks the qdisc as ours.
pub(super) fn claim_qdisc(pins: &Pins, index: u32) -> Result<(), Error> {
    let mark = pins.path(&qdisc_mark(index));
    fs::create_dir_all(&mark).map_err(Error::file(mark))
}

/// Does not use aya for this: it parses the options of every filter as those of an eBPF
/// filter, and fails on other kinds.
fn remove(index: u32, name: &str, direction: Direction) -> Result<(), Error> {
    for filter in filters::list(index, direction).map_err(Error::Rtnetlink)? {
        if filter.name == name {
            filters::remove(index, direction, &filter).map_err(Error::Rtnetlink)?;
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

/// The ids of our programs at ingress, of any build.
pub(super) fn programs(index: u32) -> Result<Vec<u32>, Error> {
    let filters = filters::list(index, Direction::Ingress).map_err(Error::Rtnetlink)?;
    let ours = filters.iter().filter(|filter| filter.name == INGRESS);
    Ok(ours.map(|filter| filter.program).collect())
}

/// True if the program of an older version is attached at egress.
pub(super) fn has_old_egress(index: u32) -> Result<bool, Error> {
    let filters = filters::list(index, Direction::Egress).map_err(Error::Rtnetlink)?;
    Ok(filters.iter().any(|filter| filter.name == OLD_EGRESS))
}
