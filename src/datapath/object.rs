// SPDX-License-Identifier: GPL-2.0-only
//! The compiled eBPF object (`bpf/ipvs_bpf.c`): loads it, pins its programs and maps, and
//! hands the maps to the module.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Map, MapData};
use aya::programs::{SchedClassifier, Xdp};
use aya::{Ebpf, EbpfLoader};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::{Error, Pins, attach, build, xdp};
use crate::kmod::proc;

/// `bpf/ipvs_bpf.c`, compiled by `build.rs`.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ipvs_bpf.o"));

pub(super) const INGRESS: &str = "ipvs_ingress";
pub(super) const XDP: &str = "ipvs_xdp";
const FLOWS4: &str = "flows4";
const FLOWS6: &str = "flows6";
pub(super) const COUNTERS: &str = "counters";
const CONTROL: &str = "control";
/// The section of the program's data that holds it.
const CONTROL_SECTION: &str = ".data.control";
/// The maps that are handed to the module.
const OF_MODULE: [&str; 3] = [FLOWS4, FLOWS6, CONTROL];
const PINNED: [&str; 6] = [INGRESS, XDP, FLOWS4, FLOWS6, CONTROL, COUNTERS];

/// The pin of the object that will replace the one at `name`.
fn next(name: &str) -> String {
    format!("next-{name}")
}

/// Loads the programs and maps, pins them, and registers the maps with the module. If a
/// step fails, everything is removed again.
pub fn start(pins: &Pins, max_sessions: u32) -> Result<(), Error> {
    pins.create()?;
    let result = replace(pins, max_sessions);
    if result.is_err() {
        // The first error is the one to report.
        let _ = pins.remove();
    }
    result
}

/// Replaces the programs by those of this build, and the maps by new ones for
/// `max_sessions`. The maps are a cache, so the sessions stay. They have no fast path
/// until their flows are in the new maps. If this fails half way, the next run repeats
/// it.
pub fn replace(pins: &Pins, max_sessions: u32) -> Result<(), Error> {
    pins.make()?;
    pins.forget_removed_interfaces()?;
    build::unmark(pins)?;
    let object = load(pins, max_sessions)?;
    for interface in attach::interfaces_with_program()? {
        match attach::attach_pinned(pins, &interface, &pins.path(&next(INGRESS))) {
            // The interface was removed in the meantime.
            Err(Error::NoInterface(_)) => {}
            result => result?,
        }
    }
    for interface in xdp::interfaces_with_xdp()? {
        match xdp::attach_pinned(pins, &interface, &pins.path(&next(XDP))) {
            Err(Error::NoInterface(_)) => {}
            result => result?,
        }
    }
    let mut maps = Vec::new();
    for name in OF_MODULE {
        maps.push((name, descriptor(&object, name)?));
    }
    proc::register_maps(&maps)?;
    for name in PINNED {
        let to = pins.path(name);
        fs::rename(pins.path(&next(name)), &to).map_err(Error::file(to))?;
    }
    build::mark(pins)
}

/// Loads the programs and maps and pins them under their `next-` names.
fn load(pins: &Pins, max_sessions: u32) -> Result<Ebpf, Error> {
    // Kernels before 5.11 count maps as locked memory, which is limited for a process. If
    // the limit cannot be raised, loading reports the failure.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    // A set has four slots, and a session has two flows. With one set for each session
    // half of the table stays empty, so that few sets are full.
    let mut object = EbpfLoader::new()
        .map_max_entries(FLOWS4, max_sessions)
        .map_max_entries(FLOWS6, max_sessions)
        .load(OBJECT)?;
    for name in PINNED {
        pins.unpin(&next(name))?;
    }
    pin_classifier(&mut object, pins)?;
    pin_xdp(&mut object, pins)?;
    for name in [FLOWS4, FLOWS6, CONTROL, COUNTERS] {
        let map = map(&object, name)?;
        let path = pins.path(&next(name));
        map.pin(&path)
            .map_err(|source| Error::Pin { path, source })?;
    }
    Ok(object)
}

fn pin_classifier(object: &mut Ebpf, pins: &Pins) -> Result<(), Error> {
    let fail = |source| Error::Program {
        name: INGRESS,
        source,
    };
    let program: &mut SchedClassifier = object
        .program_mut(INGRESS)
        .ok_or(Error::Missing(INGRESS))?
        .try_into()
        .map_err(fail)?;
    program.load().map_err(fail)?;
    let path = pins.path(&next(INGRESS));
    program
        .pin(&path)
        .map_err(|source| Error::Pin { path, source })
}

fn pin_xdp(object: &mut Ebpf, pins: &Pins) -> Result<(), Error> {
    let fail = |source| Error::Program { name: XDP, source };
    let program: &mut Xdp = object
        .program_mut(XDP)
        .ok_or(Error::Missing(XDP))?
        .try_into()
        .map_err(fail)?;
    program.load().map_err(fail)?;
    let path = pins.path(&next(XDP));
    program
        .pin(&path)
        .map_err(|source| Error::Pin { path, source })
}

fn map<'a>(object: &'a Ebpf, name: &'static str) -> Result<&'a Map, Error> {
    let map = match name {
        CONTROL => object.map(CONTROL_SECTION),
        name => object.map(name),
    };
    map.ok_or(Error::Missing(name))
}

fn descriptor<'a>(object: &'a Ebpf, name: &'static str) -> Result<BorrowedFd<'a>, Error> {
    let Map::Array(data) = map(object, name)? else {
        return Err(Error::Missing(name));
    };
    let data: &MapData = data;
    Ok(data.fd().as_fd())
}
