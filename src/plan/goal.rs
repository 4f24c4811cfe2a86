// SPDX-License-Identifier: GPL-2.0-only
//! The state to reach: what the file asks for, together with what the options
//! leave as the kernel has it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{Service, ServiceKey, State};

/// How much of the kernel's state the file decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Servers that are already there keep the weight that the kernel has, so
    /// that an `apply` does not end somebody's drain. New servers take the
    /// file's.
    pub keep_weights: bool,
    /// What the file does not list is removed. Otherwise it stays: services,
    /// their servers, local IPs, interfaces, and the datapath.
    pub prune: bool,
}

impl Default for Options {
    /// The file decides everything.
    fn default() -> Self {
        Options {
            keep_weights: false,
            prune: true,
        }
    }
}

/// The state that carrying out the plan ends in; what is read back afterwards
/// has to equal it.
pub fn goal(desired: &State, actual: &State, options: &Options) -> State {
    let mut goal = desired.clone();
    if !options.prune {
        keep_unlisted(&mut goal, actual);
    }
    if options.keep_weights {
        keep_weights(&mut goal.services, &actual.services);
    }
    goal
}

fn keep_unlisted(goal: &mut State, actual: &State) {
    if let Some(running) = &actual.datapath {
        let datapath = goal.datapath.get_or_insert_with(|| running.clone());
        datapath
            .interfaces
            .extend(running.interfaces.iter().cloned());
    }

    // A service that the file lists without a pool is listed as native.
    for (key, pool) in &actual.full_nat {
        if !goal.full_nat.contains_key(key) && !goal.services.contains_key(key) {
            goal.full_nat.insert(key.clone(), pool.clone());
        }
    }

    // The module knows an address once, so one that the file lists in another
    // pool is listed.
    let listed: BTreeSet<IpAddr> = goal.local_ips.keys().map(|ip| ip.address).collect();
    for (local_ip, ports) in &actual.local_ips {
        if !listed.contains(&local_ip.address) {
            goal.local_ips.insert(local_ip.clone(), *ports);
        }
    }

    for (key, running) in &actual.services {
        let service = goal
            .services
            .entry(key.clone())
            .or_insert_with(|| running.clone());
        for (address, server) in &running.servers {
            service
                .servers
                .entry(*address)
                .or_insert_with(|| server.clone());
        }
    }
}

fn keep_weights(goal: &mut BTreeMap<ServiceKey, Service>, actual: &BTreeMap<ServiceKey, Service>) {
    for (key, service) in goal {
        let Some(running) = actual.get(key) else {
            continue;
        };
        for (address, server) in &mut service.servers {
            if let Some(there) = running.servers.get(address) {
                server.weight = there.weight;
            }
        }
    }
}
