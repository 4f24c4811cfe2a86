// SPDX-License-Identifier: GPL-2.0-only
//! The actual state, read from the kernel: IPVS over netlink, the module's
//! proc files, and tc.

use std::collections::BTreeMap;

use nix::net::if_::if_nameindex;

use super::Error;
use crate::datapath::{self, Pins};
use crate::ipvs_netlink::{self, Ipvs, Reason, ServiceStatistics};
use crate::kmod::proc;
use crate::model::{Datapath, LocalIp, PortRange, Service, ServiceKey, State};

/// The names of the interfaces of the caller's network namespace.
pub fn interfaces() -> Result<Vec<String>, Error> {
    let interfaces = if_nameindex().map_err(|errno| Error::Interfaces(errno.into()))?;
    Ok(interfaces
        .iter()
        .filter_map(|interface| interface.name().to_str().ok())
        .map(str::to_owned)
        .collect())
}

/// Everything of the caller's network namespace. What is not loaded is empty.
pub fn observe() -> Result<State, Error> {
    Ok(State {
        datapath: datapath()?,
        local_ips: local_ips()?,
        full_nat: full_nat()?,
        services: observe_services()?,
    })
}

fn datapath() -> Result<Option<Datapath>, Error> {
    let Some(maps) = proc::registered_maps()? else {
        return Ok(None);
    };
    let pins = Pins::of_this_namespace()?;
    Ok(Some(Datapath {
        interfaces: datapath::attached_interfaces(&pins)?,
        max_sessions: maps.sessions4_entries / 2,
    }))
}

fn local_ips() -> Result<BTreeMap<LocalIp, PortRange>, Error> {
    Ok(proc::local_ips()?
        .into_iter()
        .map(|line| (line.local_ip, line.ports))
        .collect())
}

fn full_nat() -> Result<BTreeMap<ServiceKey, String>, Error> {
    Ok(proc::full_nat()?
        .into_iter()
        .filter_map(|line| Some((line.key, line.pool?)))
        .collect())
}

/// None where the kernel has not loaded IPVS.
pub(super) fn observe_services() -> Result<BTreeMap<ServiceKey, Service>, Error> {
    match Ipvs::connect() {
        Ok(mut ipvs) => Ok(ipvs.services()?),
        Err(error) if is_absent(&error) => Ok(BTreeMap::new()),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn is_absent(error: &ipvs_netlink::Error) -> bool {
    matches!(error.reason(), Some(Reason::NoFamily))
}

/// What each service and server has done and does now.
pub fn statistics() -> Result<BTreeMap<ServiceKey, ServiceStatistics>, Error> {
    Ok(Ipvs::connect()?.statistics()?)
}
