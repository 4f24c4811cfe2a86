// SPDX-License-Identifier: GPL-2.0-only
//! The compiled eBPF object (`bpf/ipvs_bpf.c`): loading it, pinning what it
//! brings, and handing its maps to the module.

use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{Map, MapData};
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::{Error, Pins, build};
use crate::kmod::proc;

/// `bpf/ipvs_bpf.c`, compiled by `build.rs`.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ipvs_bpf.o"));

pub(super) const INGRESS: &str = "ipvs_ingress";
pub(super) const EGRESS: &str = "ipvs_egress";
pub(super) const PROGRAMS: [&str; 2] = [INGRESS, EGRESS];
pub(super) const SESSIONS4: &str = "sessions4";
pub(super) const SESSIONS6: &str = "sessions6";
pub(super) const SERVICES: &str = "services";
pub(super) const COUNTERS: &str = "counters";

/// Kernels before 5.11 count maps among the locked memory, of which a process
/// may have little. Where the limit cannot be raised, loading says what fails.
pub(super) fn loader<'a>() -> EbpfLoader<'a> {
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    EbpfLoader::new()
}

/// Loads programs and maps, pins them, and registers the maps with the module.
/// When a step fails, nothing stays behind.
pub fn start(pins: &Pins, max_sessions: u32) -> Result<(), Error> {
    let mut object = loader()
        // Two entries a session.
        .map_max_entries(SESSIONS4, max_sessions.saturating_mul(2))
        .map_max_entries(SESSIONS6, max_sessions.saturating_mul(2))
        .load(OBJECT)?;
    pins.create()?;
    let result = pin_and_register(&mut object, pins);
    if result.is_err() {
        // The first error is the one to report.
        let _ = pins.remove();
    }
    result
}

/// Loads both programs and pins them by these names.
pub(super) fn pin_programs(
    object: &mut Ebpf,
    pins: &Pins,
    pin: fn(&'static str) -> &'static str,
) -> Result<(), Error> {
    for name in PROGRAMS {
        let program: &mut SchedClassifier = object
            .program_mut(name)
            .ok_or(Error::Missing(name))?
            .try_into()
            .map_err(|source| Error::Program { name, source })?;
        program
            .load()
            .map_err(|source| Error::Program { name, source })?;
        let path = pins.path(pin(name));
        program
            .pin(&path)
            .map_err(|source| Error::Pin { path, source })?;
    }
    Ok(())
}

fn pin_and_register(object: &mut Ebpf, pins: &Pins) -> Result<(), Error> {
    pin_programs(object, pins, |name| name)?;
    for name in [SESSIONS4, SESSIONS6, SERVICES, COUNTERS] {
        let map = object.map(name).ok_or(Error::Missing(name))?;
        let path = pins.path(name);
        map.pin(&path)
            .map_err(|source| Error::Pin { path, source })?;
    }
    proc::register_maps(
        descriptor(object, SESSIONS4)?,
        descriptor(object, SESSIONS6)?,
        descriptor(object, SERVICES)?,
    )?;
    build::mark(pins)
}

pub(super) fn descriptor<'a>(
    object: &'a Ebpf,
    name: &'static str,
) -> Result<BorrowedFd<'a>, Error> {
    let data: &MapData = match object.map(name).ok_or(Error::Missing(name))? {
        Map::HashMap(data) | Map::Array(data) => data,
        _ => return Err(Error::Missing(name)),
    };
    Ok(data.fd().as_fd())
}
