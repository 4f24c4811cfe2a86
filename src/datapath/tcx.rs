// SPDX-License-Identifier: GPL-2.0-only
//! Attaches the program by tcx (`kernel/bpf/tcx.c`, Linux 6.6 and newer), with a pinned
//! link for each interface. It needs no qdisc. Packets reach the program before any tc
//! filter.

use std::io;

use aya::programs::links::{FdLink, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions, TcAttachType};
use aya::programs::{ProgramError, ProgramInfo, SchedClassifier};
use nix::libc;

use super::{Error, Pins};

/// The name has the interface's index: the file system does not allow dots, which VLAN
/// names have.
fn pin(index: u32) -> String {
    format!("tcx-{index}")
}

/// The programs at ingress of an interface, in the order in which packets pass them.
/// `None`: the kernel has no tcx.
pub(super) fn programs(interface: &str) -> Result<Option<Vec<ProgramInfo>>, Error> {
    let gone =
        |error: &io::Error| matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOENT));
    match SchedClassifier::query_tcx(interface, TcAttachType::Ingress) {
        Ok((_, programs)) => Ok(Some(programs)),
        Err(ProgramError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::EINVAL) =>
        {
            Ok(None)
        }
        // The interface or the program was removed in the meantime.
        Err(ProgramError::SyscallError(error)) if gone(&error.io_error) => Ok(Some(Vec::new())),
        Err(ProgramError::SyscallError(error)) => Err(Error::List {
            interface: interface.to_owned(),
            source: error.io_error,
        }),
        Err(source) => Err(Error::Attach {
            interface: interface.to_owned(),
            source,
        }),
    }
}

/// Attaches the program to the interface. Replaces the one that we attached before.
pub(super) fn attach_program(
    pins: &Pins,
    interface: &str,
    index: u32,
    program: &mut SchedClassifier,
) -> Result<(), Error> {
    let fail = |source| Error::Attach {
        interface: interface.to_owned(),
        source,
    };
    let no_link = |source| Error::Link {
        interface: interface.to_owned(),
        source,
    };
    let path = pins.path(&pin(index));
    if let Ok(old) = PinnedLink::from_pin(&path) {
        let link = SchedClassifierLink::try_from(FdLink::from(old)).map_err(no_link)?;
        // This fails if a new interface has the same index as a removed one.
        if program.attach_to_link(link).is_ok() {
            return Ok(());
        }
        pins.unpin(&pin(index))?;
    }
    let options = TcAttachOptions::TcxOrder(LinkOrder::last());
    let id = program
        .attach_with_options(interface, TcAttachType::Ingress, options)
        .map_err(fail)?;
    let link = program.take_link(id).map_err(fail)?;
    let link = FdLink::try_from(link).map_err(no_link)?;
    link.pin(&path)
        .map_err(|source| Error::Pin { path, source })?;
    Ok(())
}

/// If it is not attached, this is not an error.
pub(super) fn detach(pins: &Pins, index: u32) -> Result<(), Error> {
    pins.unpin(&pin(index))
}
