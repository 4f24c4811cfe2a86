// SPDX-License-Identifier: GPL-2.0-only
//! The running state, for display. Reading it loads and changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Error;
use super::observe::{self, unanswered};
use crate::datapath::{self, Pins};
use crate::ipvs_netlink::{Ipvs, ServiceStatistics};
use crate::kmod::proc::{self, LocalIpLine};
use crate::model::{Datapath, FullNat, Service, ServiceKey, State, SyncDaemons, Timeouts};
use crate::toa;

/// A service of IPVS with its counters and rates.
#[derive(Clone, Debug)]
pub struct RunningService {
    pub key: ServiceKey,
    pub service: Service,
    pub statistics: ServiceStatistics,
    /// `None`: native.
    pub full_nat: Option<FullNat>,
    /// The service is full NAT by a rule: another program made it.
    pub by_rule: bool,
    /// The number of sessions. `None` for a native service.
    pub sessions: Option<u32>,
}

/// The full-NAT data plane of this network namespace.
#[derive(Clone, Debug, Default)]
pub struct RunningDataPlane {
    pub local_ips: Vec<LocalIpLine>,
    /// The interfaces that carry the programs. `None`: no programs are loaded.
    pub interfaces: Option<BTreeSet<String>>,
    /// The interfaces that carry the program of XDP, too.
    pub xdp: BTreeSet<String>,
    /// The number of sessions of each family that the maps can hold.
    pub max_sessions: Option<u32>,
}

/// True if the kernel has loaded IPVS, in the caller's network namespace.
pub fn has_ipvs() -> bool {
    Path::new("/proc/thread-self/net/ip_vs").exists()
}

/// `None` if IPVS is not loaded. Asking for its netlink family would load it, so this
/// checks first.
fn ipvs() -> Result<Option<Ipvs>, Error> {
    if !has_ipvs() {
        return Ok(None);
    }
    observe::ipvs()
}

/// Every service of the caller's network namespace, in order.
pub fn running_services() -> Result<Vec<RunningService>, Error> {
    match ipvs()? {
        Some(mut ipvs) => with_full_nat(ipvs.services_with_statistics()?),
        None => Ok(Vec::new()),
    }
}

/// The services among `keys` that exist, in order. Each is read by itself, so the cost
/// does not depend on the other services.
pub fn running_services_named(keys: &[ServiceKey]) -> Result<Vec<RunningService>, Error> {
    let Some(mut ipvs) = ipvs()? else {
        return Ok(Vec::new());
    };
    let mut found = BTreeMap::new();
    for key in keys {
        if let Some(service) = ipvs.service_with_statistics(key)? {
            found.insert(key.clone(), service);
        }
    }
    with_full_nat(found)
}

/// The names of the services.
pub fn running_service_keys() -> Result<BTreeSet<ServiceKey>, Error> {
    Ok(match ipvs()? {
        Some(mut ipvs) => ipvs.service_keys()?,
        None => BTreeSet::new(),
    })
}

/// True if the pins of the programs are gone. The pins are needed to find the
/// programs and their counters.
pub fn pins_are_lost() -> Result<bool, Error> {
    Ok(proc::registered_maps()?.is_some() && !datapath::is_pinned(&Pins::of_this_namespace()?))
}

/// The full-NAT services that are listed in the module but missing from IPVS.
pub fn unserved_services() -> Result<BTreeSet<ServiceKey>, Error> {
    let served = running_service_keys()?;
    let lines = proc::full_nat()?.into_iter();
    let unserved = lines.filter(|line| line.is_listed() && !served.contains(&line.key));
    Ok(unserved.map(|line| line.key).collect())
}

/// The number of services that the module has made: by rules, and for destinations of
/// firewall marks and of services of every port.
pub fn services_by_rule() -> Result<usize, Error> {
    let lines = proc::full_nat()?.into_iter();
    let made = lines.filter(|line| line.full_nat.is_some() && !line.is_listed());
    Ok(made.count())
}

/// True if a sync daemon runs.
pub fn syncs() -> Result<bool, Error> {
    let daemons = running_daemons()?;
    Ok(daemons.master.is_some() || daemons.backup.is_some())
}

/// True unless the module has a secret of the operator's, by which it chooses local ports.
pub fn has_random_secret() -> Result<bool, Error> {
    Ok(proc::port_secret()?.is_none())
}

fn with_full_nat(
    services: BTreeMap<ServiceKey, (Service, ServiceStatistics)>,
) -> Result<Vec<RunningService>, Error> {
    let mut full_nat = BTreeMap::new();
    let mut made = Vec::new();
    for line in proc::full_nat()? {
        match (line.full_nat, line.made_by) {
            (Some(_), Some(maker)) => made.push((maker, line.sessions)),
            (Some(its), None) => {
                full_nat.insert(line.key, (its, line.by_rule, line.sessions));
            }
            (None, _) => {}
        }
    }
    for (maker, sessions) in made {
        if let Some((_, _, sum)) = full_nat.get_mut(&maker) {
            *sum += sessions;
        }
    }
    let rules = proc::rules()?;
    let services = services.into_iter().map(|(key, (service, statistics))| {
        let (full_nat, by_rule, sessions) = match full_nat.remove(&key) {
            Some((full_nat, by_rule, sessions)) => (Some(full_nat), by_rule, Some(sessions)),
            // The module learns of the service when its first client comes.
            None => match rules.iter().find(|(rule, _)| rule.covers(&key)) {
                Some((_, full_nat)) => (Some(full_nat.clone()), true, Some(0)),
                None => (None, false, None),
            },
        };
        RunningService {
            key,
            service,
            statistics,
            full_nat,
            by_rule,
            sessions,
        }
    });
    Ok(services.collect())
}

pub fn running_data_plane() -> Result<RunningDataPlane, Error> {
    let datapath = observe::datapath()?;
    Ok(RunningDataPlane {
        local_ips: proc::local_ips()?,
        max_sessions: datapath.as_ref().map(|datapath| datapath.max_sessions),
        xdp: datapath
            .as_ref()
            .map_or_else(BTreeSet::new, |datapath| datapath.xdp.clone()),
        interfaces: datapath.map(|datapath| datapath.interfaces),
    })
}

/// The running state without the settings. An interface counts if it carries at least one
/// of the programs.
pub fn running_state() -> Result<State, Error> {
    let services = running_services()?;
    let data_plane = running_data_plane()?;
    let full_nat = services
        .iter()
        .filter(|now| !now.by_rule)
        .filter_map(|now| Some((now.key.clone(), now.full_nat.clone()?)));
    let interfaces = match data_plane.interfaces {
        Some(attached) => Some(&attached | &datapath::interfaces_with_leftovers()?),
        None => None,
    };
    Ok(State {
        datapath: interfaces.map(|interfaces| Datapath {
            interfaces,
            xdp: data_plane.xdp,
            max_sessions: data_plane.max_sessions.unwrap_or_default(),
            // Nobody looks at these fields of such a state.
            ..Datapath::default()
        }),
        local_ips: data_plane
            .local_ips
            .into_iter()
            .map(|line| (line.local_ip, line.ports))
            .collect(),
        full_nat: full_nat.collect(),
        rules: proc::rules()?,
        toa: Some(toa::observe()?),
        services: services
            .into_iter()
            .map(|now| (now.key, now.service))
            .collect(),
        ..State::default()
    })
}

pub fn running_timeouts() -> Result<Option<Timeouts>, Error> {
    let Some(mut ipvs) = ipvs()? else {
        return Ok(None);
    };
    let mut timeouts = ipvs.timeouts()?;
    unanswered(&mut timeouts)?;
    Ok(Some(timeouts))
}

pub fn running_daemons() -> Result<SyncDaemons, Error> {
    match ipvs()? {
        Some(mut ipvs) => Ok(ipvs.daemons()?),
        None => Ok(SyncDaemons::default()),
    }
}
