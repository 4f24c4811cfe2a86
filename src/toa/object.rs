// SPDX-License-Identifier: GPL-2.0-only
//! The compiled eBPF object (`bpf/toa/toa.c`): loads it and attaches its programs to a
//! cgroup.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use aya::maps::Map;
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, CgroupSockAddr, ProgramError, SockOps};
use aya::util::KernelVersion;
use aya::{Ebpf, EbpfLoader};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::Error;
use super::abi::Counts;
use super::counters::{LOCAL_IPS, STRANGERS, TOTALS, by_address, totals};
use super::trust::{TRUST, set_trust, trust};
use crate::model::Network;

/// `bpf/toa/toa.c`, compiled by `build.rs`.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/toa.o"));

/// Sees connections as they are established, including those of Multipath TCP.
const WITH_MPTCP: &str = "toa_with_mptcp";
/// The same without Multipath TCP, for kernels that refuse the first.
const ESTABLISHED: &str = "toa_established";
const PEERNAME4: &str = "toa_peername4";
const PEERNAME6: &str = "toa_peername6";
/// The names that the programs have in the kernel.
pub(super) const PROGRAMS: [&str; 4] = [WITH_MPTCP, ESTABLISHED, PEERNAME4, PEERNAME6];

/// The names of the pinned links of the programs, in the order of [`Loaded::attach`].
pub(super) const LINKS: [&str; 3] = ["link-established", "link-peername4", "link-peername6"];
pub(super) const CLIENTS: &str = "toa_clients";
pub(super) const MPTCP: &str = "toa_mptcp";

/// The programs and maps. They stay in the kernel as long as this exists.
pub struct Loaded {
    object: Ebpf,
    established: &'static str,
}

/// Loads the programs and maps. No address is trusted yet.
pub fn load() -> Result<Loaded, Error> {
    load_pinned(&[])
}

/// The same, but reuses the maps that are pinned at these paths. Pins the maps that are
/// missing.
pub(super) fn load_pinned(maps: &[(&str, PathBuf)]) -> Result<Loaded, Error> {
    // The reason is in `datapath::object`.
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    attempt(maps).map_err(|error| match KernelVersion::current() {
        Ok(version) if version < KernelVersion::new(5, 10, 0) => Error::OldKernel {
            kernel: version.to_string(),
        },
        _ => error,
    })
}

fn attempt(maps: &[(&str, PathBuf)]) -> Result<Loaded, Error> {
    let mut loader = EbpfLoader::new();
    for (name, path) in maps {
        loader.map_pin_path(name, path);
    }
    let mut object = loader.load(OBJECT)?;
    for name in [PEERNAME4, PEERNAME6] {
        peername(&mut object, name)?
            .load()
            .map_err(|source| Error::Program { name, source })?;
    }
    let mut established = WITH_MPTCP;
    let mut loaded = socket_operations(&mut object, WITH_MPTCP)?.load();
    if let Err(ProgramError::LoadError { .. }) = loaded {
        established = ESTABLISHED;
        loaded = socket_operations(&mut object, ESTABLISHED)?.load();
    }
    loaded.map_err(|source| Error::Program {
        name: established,
        source,
    })?;
    Ok(Loaded {
        object,
        established,
    })
}

fn peername<'a>(object: &'a mut Ebpf, name: &'static str) -> Result<&'a mut CgroupSockAddr, Error> {
    let program = object.program_mut(name).ok_or(Error::Missing(name))?;
    program
        .try_into()
        .map_err(|source| Error::Program { name, source })
}

fn socket_operations<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SockOps, Error> {
    let program = object.program_mut(name).ok_or(Error::Missing(name))?;
    program
        .try_into()
        .map_err(|source| Error::Program { name, source })
}

impl Loaded {
    /// True if servers with Multipath TCP get the addresses too.
    pub fn has_mptcp(&self) -> bool {
        self.established == WITH_MPTCP
    }

    fn map(&self, name: &'static str) -> Result<&Map, Error> {
        self.object.map(name).ok_or(Error::Missing(name))
    }

    /// The networks that are trusted.
    pub fn trust(&self) -> Result<BTreeSet<Network>, Error> {
        trust(self.map(TRUST)?)
    }

    /// Trusts these networks and no others.
    pub fn set_trust(&mut self, networks: &BTreeSet<Network>) -> Result<(), Error> {
        let map = self.object.map_mut(TRUST).ok_or(Error::Missing(TRUST))?;
        set_trust(map, networks)
    }

    /// The number of connections by outcome.
    pub fn totals(&self) -> Result<Counts, Error> {
        totals(self.map(TOTALS)?)
    }

    /// The same by source address, for trusted addresses.
    pub fn local_ips(&self) -> Result<BTreeMap<IpAddr, Counts>, Error> {
        by_address(LOCAL_IPS, self.map(LOCAL_IPS)?)
    }

    /// The same for untrusted addresses that sent the option.
    pub fn untrusted_addresses(&self) -> Result<BTreeMap<IpAddr, Counts>, Error> {
        by_address(STRANGERS, self.map(STRANGERS)?)
    }

    /// Attaches the programs to a cgroup of version 2, next to other programs. They are
    /// attached as long as the links exist. The names and links are in the order in which
    /// the programs are needed: addresses are stored before they are given out.
    pub fn attach(&mut self, cgroup: &impl AsFd) -> Result<Vec<(&'static str, FdLink)>, Error> {
        // The kernel treats each link as one of several, and refuses a flag that says so
        // (cgroup_bpf_link_attach()).
        let mode = CgroupAttachMode::Single;
        let name = self.established;
        let fail = |name| move |source| Error::attach(name, source);
        let program = socket_operations(&mut self.object, name)?;
        let id = program.attach(cgroup, mode).map_err(fail(name))?;
        let link = program.take_link(id).map_err(fail(name))?;
        let link = FdLink::try_from(link).map_err(|source| Error::Link { name, source })?;
        let mut links = vec![(name, link)];
        for name in [PEERNAME4, PEERNAME6] {
            let program = peername(&mut self.object, name)?;
            let id = program.attach(cgroup, mode).map_err(fail(name))?;
            let link = program.take_link(id).map_err(fail(name))?;
            let link = FdLink::try_from(link).map_err(|source| Error::Link { name, source })?;
            links.push((name, link));
        }
        Ok(links)
    }
}
