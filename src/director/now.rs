// SPDX-License-Identifier: GPL-2.0-only
//! What runs now, for showing: read without loading or changing anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Error;
use super::observe::{self, unanswered};
use crate::datapath::{self, Pins};
use crate::ipvs_netlink::{Ipvs, ServiceStatistics};
use crate::kmod::proc::{self, LocalIpLine};
use crate::model::{Datapath, Service, ServiceKey, State, SyncDaemons, Timeouts};
use crate::toa;

/// A service of IPVS, and what it has done and does.
#[derive(Clone, Debug)]
pub struct ServiceNow {
    pub key: ServiceKey,
    pub service: Service,
    pub statistics: ServiceStatistics,
    /// `None`: native.
    pub pool: Option<String>,
    /// Full NAT by a rule: another program made the service.
    pub by_rule: bool,
    /// Of full NAT.
    pub sessions: Option<u32>,
}

/// What full NAT has in this network namespace.
#[derive(Clone, Debug, Default)]
pub struct DataPlaneNow {
    pub local_ips: Vec<LocalIpLine>,
    /// Those that carry the programs; `None`: none are loaded.
    pub interfaces: Option<BTreeSet<String>>,
    /// Sessions of each family that the maps can hold.
    pub max_sessions: Option<u32>,
}

/// Whether the kernel has loaded it, for the caller's network namespace.
pub fn has_ipvs() -> bool {
    Path::new("/proc/thread-self/net/ip_vs").exists()
}

/// `None` where IPVS is not loaded. The kernel loads it when it is asked for
/// its netlink family, so it is not asked.
fn ipvs() -> Result<Option<Ipvs>, Error> {
    if !has_ipvs() {
        return Ok(None);
    }
    observe::ipvs()
}

/// Every service of the caller's network namespace, in order.
pub fn services_now() -> Result<Vec<ServiceNow>, Error> {
    match ipvs()? {
        Some(mut ipvs) => with_full_nat(ipvs.services_with_statistics()?),
        None => Ok(Vec::new()),
    }
}

/// Those of these services that there are, in order. The kernel is asked for each
/// by itself, so that the others cost nothing.
pub fn named_services_now(keys: &[ServiceKey]) -> Result<Vec<ServiceNow>, Error> {
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
pub fn service_keys_now() -> Result<BTreeSet<ServiceKey>, Error> {
    Ok(match ipvs()? {
        Some(mut ipvs) => ipvs.service_keys()?,
        None => BTreeSet::new(),
    })
}

/// True where the programs work without the pins by which they and their counters are
/// found.
pub fn pins_are_lost() -> Result<bool, Error> {
    Ok(proc::registered_maps()?.is_some() && !datapath::is_pinned(&Pins::of_this_namespace()?))
}

/// Services that the module has listed for full NAT and IPVS does not have.
pub fn unserved_now() -> Result<BTreeSet<ServiceKey>, Error> {
    let served = service_keys_now()?;
    let lines = proc::full_nat()?.into_iter();
    let unserved = lines.filter(|line| line.is_listed() && !served.contains(&line.key));
    Ok(unserved.map(|line| line.key).collect())
}

fn with_full_nat(
    services: BTreeMap<ServiceKey, (Service, ServiceStatistics)>,
) -> Result<Vec<ServiceNow>, Error> {
    let mut full_nat: BTreeMap<ServiceKey, (String, bool, u32)> = proc::full_nat()?
        .into_iter()
        .filter_map(|line| Some((line.key, (line.pool?, line.by_rule, line.sessions))))
        .collect();
    let rules = proc::rules()?;
    let services = services.into_iter().map(|(key, (service, statistics))| {
        let (pool, by_rule, sessions) = match full_nat.remove(&key) {
            Some((pool, by_rule, sessions)) => (Some(pool), by_rule, Some(sessions)),
            // The module knows of it as soon as a client comes.
            None => match rules.iter().find(|(rule, _)| rule.covers(&key)) {
                Some((_, pool)) => (Some(pool.clone()), true, Some(0)),
                None => (None, false, None),
            },
        };
        ServiceNow {
            key,
            service,
            statistics,
            pool,
            by_rule,
            sessions,
        }
    });
    Ok(services.collect())
}

pub fn data_plane_now() -> Result<DataPlaneNow, Error> {
    let datapath = observe::datapath()?;
    Ok(DataPlaneNow {
        local_ips: proc::local_ips()?,
        max_sessions: datapath.as_ref().map(|datapath| datapath.max_sessions),
        interfaces: datapath.map(|datapath| datapath.interfaces),
    })
}

/// What runs, as far as a file could ask for it, but for settings. An interface
/// that carries one of the programs counts, whatever became of the other.
pub fn state_now() -> Result<State, Error> {
    let services = services_now()?;
    let data_plane = data_plane_now()?;
    let full_nat = services
        .iter()
        .filter(|now| !now.by_rule)
        .filter_map(|now| Some((now.key.clone(), now.pool.clone()?)));
    let interfaces = match data_plane.interfaces {
        Some(attached) => Some(&attached | &datapath::interfaces_with_leftovers()?),
        None => None,
    };
    Ok(State {
        datapath: interfaces.map(|interfaces| Datapath {
            interfaces,
            max_sessions: data_plane.max_sessions.unwrap_or_default(),
            // Nothing that is looked for in such a state depends on these.
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

pub fn timeouts_now() -> Result<Option<Timeouts>, Error> {
    let Some(mut ipvs) = ipvs()? else {
        return Ok(None);
    };
    let mut timeouts = ipvs.timeouts()?;
    unanswered(&mut timeouts)?;
    Ok(Some(timeouts))
}

pub fn daemons_now() -> Result<SyncDaemons, Error> {
    match ipvs()? {
        Some(mut ipvs) => Ok(ipvs.daemons()?),
        None => Ok(SyncDaemons::default()),
    }
}
