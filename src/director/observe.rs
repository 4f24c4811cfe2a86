// SPDX-License-Identifier: GPL-2.0-only
//! The actual state, read from the kernel: IPVS over netlink, the module's proc files,
//! and the attached programs.

use std::collections::{BTreeMap, BTreeSet};

use nix::net::if_::if_nameindex;

use super::running::has_ipvs;
use super::{Error, older, sysctl};
use crate::datapath::{self, Pins};
use crate::ipvs_netlink::{Ipvs, Reason};
use crate::kmod::proc::{self, FullNatLine};
use crate::model::{Datapath, FullNat, LocalIp, PortRange, Service, ServiceKey, State, Timeouts};
use crate::toa;

/// The names of the interfaces of the caller's network namespace.
pub fn interfaces() -> Result<Vec<String>, Error> {
    let interfaces = if_nameindex().map_err(|errno| Error::Interfaces(errno.into()))?;
    Ok(interfaces
        .iter()
        .filter_map(|interface| interface.name().to_str().ok())
        .map(str::to_owned)
        .collect())
}

/// Reads everything in the caller's network namespace. Parts that are not loaded are
/// empty.
pub fn observe() -> Result<State, Error> {
    observe_with(|ipvs| Ok(ipvs.services()?))
}

/// The same, but loads nothing. Asking for IPVS would load it.
pub fn observe_loaded() -> Result<State, Error> {
    if has_ipvs() {
        return observe();
    }
    module_state()
}

/// Reads only the receiver of clients' addresses. Does not ask IPVS or the module.
pub fn observe_receiver() -> Result<State, Error> {
    Ok(State {
        toa: Some(toa::observe()?),
        ..State::default()
    })
}

/// The state after steps that touched these services. `before` is the state before them.
/// Only the touched services of IPVS are read again.
///
/// No step changes any other service, so the others are copied from `before`. This misses
/// changes that other programs made in between. No reading is safe from a change that
/// comes right after it.
pub fn observe_again(before: State, touched: &BTreeSet<&ServiceKey>) -> Result<State, Error> {
    let mut services = before.services;
    observe_with(|ipvs| {
        // Reading a service by itself costs about twice as much as in a listing.
        if touched.len() > services.len() / 2 {
            return Ok(ipvs.services()?);
        }
        for &key in touched {
            match ipvs.service(key)? {
                Some(service) => services.insert(key.clone(), service),
                None => services.remove(key),
            };
        }
        Ok(services)
    })
}

fn observe_with(
    services: impl FnOnce(&mut Ipvs) -> Result<BTreeMap<ServiceKey, Service>, Error>,
) -> Result<State, Error> {
    older::refuse_older_module()?;
    let mut state = module_state()?;
    // Asking for IPVS loads it, and its sysctls appear with it.
    if let Some(mut ipvs) = ipvs()? {
        state.timeouts = ipvs.timeouts()?;
        if state.needs_module() {
            unanswered(&mut state.timeouts)?;
        }
        state.sync = Some(ipvs.daemons()?);
        state.services = services(&mut ipvs)?;
        state.sysctls = sysctl::observe()?;
    }
    Ok(state)
}

/// The state without the parts that IPVS has.
fn module_state() -> Result<State, Error> {
    Ok(State {
        port_secret: proc::port_secret()?,
        datapath: datapath()?,
        local_ips: local_ips()?,
        full_nat: full_nat()?,
        rules: proc::rules()?,
        toa: Some(toa::observe()?),
        ..State::default()
    })
}

pub(super) fn datapath() -> Result<Option<Datapath>, Error> {
    let Some(maps) = proc::registered_maps()? else {
        return Ok(None);
    };
    let pins = Pins::of_this_namespace()?;
    let other_build = !datapath::is_of_this_build(&pins);
    let xdp = if other_build {
        datapath::interfaces_with_xdp()?
    } else {
        datapath::attached_xdp(&pins)?
    };
    Ok(Some(Datapath {
        interfaces: if other_build {
            datapath::interfaces_with_program()?
        } else {
            datapath::attached_interfaces(&pins)?
        },
        max_sessions: maps.sets,
        fast_path: proc::fast_path()?,
        other_build: other_build || (!xdp.is_empty() && !proc::xdp()?),
        xdp,
    }))
}

fn local_ips() -> Result<BTreeMap<LocalIp, PortRange>, Error> {
    Ok(proc::local_ips()?
        .into_iter()
        .map(|line| (line.local_ip, line.ports))
        .collect())
}

fn full_nat() -> Result<BTreeMap<ServiceKey, FullNat>, Error> {
    Ok(proc::full_nat()?
        .into_iter()
        .filter(FullNatLine::is_listed)
        .filter_map(|line| Some((line.key, line.full_nat?)))
        .collect())
}

/// Adds the timeouts of the module, if it is loaded.
pub(super) fn unanswered(timeouts: &mut Timeouts) -> Result<(), Error> {
    for (timeout, seconds) in proc::unanswered()? {
        timeouts.set(timeout, Some(seconds));
    }
    Ok(())
}

/// `None`: IPVS is not loaded and the kernel cannot load it.
pub(super) fn ipvs() -> Result<Option<Ipvs>, Error> {
    match Ipvs::connect() {
        Ok(ipvs) => Ok(Some(ipvs)),
        Err(error) if matches!(error.reason(), Some(Reason::NoFamily)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
