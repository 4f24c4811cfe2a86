// SPDX-License-Identifier: GPL-2.0-only
//! The state to reach: the file's state, plus the parts of the kernel's state that the
//! options preserve.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::settings;
use crate::model::{Rule, Service, ServiceKey, State};

/// How much of the kernel's state the file decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Existing servers keep the weight that the kernel has, so that `apply` does not
    /// undo a drain. New servers take the weight of the file.
    pub keep_weights: bool,
    pub prune: Prune,
}

/// The handling of objects that the kernel has and the file does not list. Timeouts and
/// sysctls are left alone in any case. So are the sync daemons if the file has no
/// `[sync]`, and the receiver if it has no `[toa]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// Unlisted objects are removed.
    Everything,
    /// Unlisted parts of listed objects are removed: servers of listed services, local
    /// IPs of listed pools, daemons of `[sync]`. Other services and pools, interfaces and
    /// the datapath stay, because they may belong to other programs.
    Listed,
    /// Unlisted objects stay.
    Nothing,
}

impl Default for Options {
    /// By default, the file decides everything.
    fn default() -> Self {
        Options {
            keep_weights: false,
            prune: Prune::Everything,
        }
    }
}

/// Returns the state after the plan is carried out. The state that is read back
/// afterwards must equal it.
pub fn goal(desired: &State, actual: &State, options: &Options) -> State {
    let mut goal = with_external_servers(desired, actual);
    keep_rules(&mut goal, actual, options.prune);
    keep_covered(&mut goal, actual);
    if options.prune != Prune::Everything {
        keep_unlisted_objects(&mut goal, actual);
    }
    if options.prune == Prune::Nothing {
        keep_unlisted(&mut goal, actual);
    }
    settings::complete(&mut goal, actual, options.prune);
    goal.toa = match goal.toa.take() {
        None => actual.toa.clone(),
        Some(mut listed) => {
            if options.prune == Prune::Nothing {
                let running = actual.toa.iter().flat_map(|toa| &toa.trust);
                listed.trust.extend(running);
            }
            Some(listed)
        }
    };
    if options.keep_weights {
        keep_weights(&mut goal.services, &actual.services);
    }
    goal
}

/// Returns the file's state plus the objects of other programs in IPVS: the services that
/// the file's rules cover, and the external servers of its services.
pub fn with_others(desired: &State, actual: &State) -> State {
    let mut state = with_external_servers(desired, actual);
    keep_covered(&mut state, actual);
    state
}

/// Services with external servers get the servers that the kernel has.
fn with_external_servers(desired: &State, actual: &State) -> State {
    let mut state = desired.clone();
    for key in std::mem::take(&mut state.external_servers) {
        if let Some(service) = state.services.get_mut(&key) {
            let running = actual.services.get(&key);
            service.servers = running.map_or_else(BTreeMap::new, |it| it.servers.clone());
        }
    }
    state
}

/// Keeps unlisted rules, unless everything unlisted is removed. A rule that overlaps one
/// of the file is not kept.
fn keep_rules(goal: &mut State, actual: &State, prune: Prune) {
    if prune == Prune::Everything {
        return;
    }
    let listed: Vec<Rule> = goal.rules.keys().cloned().collect();
    for (rule, full_nat) in &actual.rules {
        if !listed.iter().any(|listed| listed.overlaps(rule)) {
            goal.rules.insert(rule.clone(), full_nat.clone());
        }
    }
}

/// Keeps services that a rule covers, because they belong to another program.
fn keep_covered(goal: &mut State, actual: &State) {
    for (key, running) in &actual.services {
        if !goal.services.contains_key(key) && goal.rule_of(key).is_some() {
            goal.services.insert(key.clone(), running.clone());
        }
    }
}

/// Keeps whole objects that the file does not list.
fn keep_unlisted_objects(goal: &mut State, actual: &State) {
    if let Some(running) = &actual.datapath {
        let datapath = goal.datapath.get_or_insert_with(|| running.clone());
        datapath
            .interfaces
            .extend(running.interfaces.iter().cloned());
        datapath.xdp.extend(running.xdp.iter().cloned());
    }

    // A service that the file lists without a pool counts as listed, as native.
    for (key, full_nat) in &actual.full_nat {
        if !goal.full_nat.contains_key(key) && !goal.services.contains_key(key) {
            goal.full_nat.insert(key.clone(), full_nat.clone());
        }
    }

    let pools: BTreeSet<String> = goal.local_ips.keys().map(|ip| ip.pool.clone()).collect();
    keep_local_ips(goal, actual, |pool| !pools.contains(pool));

    for (key, running) in &actual.services {
        goal.services
            .entry(key.clone())
            .or_insert_with(|| running.clone());
    }
}

/// Keeps unlisted parts of listed objects too.
fn keep_unlisted(goal: &mut State, actual: &State) {
    keep_local_ips(goal, actual, |_| true);
    for (key, running) in &actual.services {
        let Some(service) = goal.services.get_mut(key) else {
            continue;
        };
        for (address, server) in &running.servers {
            service
                .servers
                .entry(*address)
                .or_insert_with(|| server.clone());
        }
    }
}

/// Keeps local IPs. The module has each address once, so an address that the file lists
/// in any pool counts as listed.
fn keep_local_ips(goal: &mut State, actual: &State, keeps: impl Fn(&str) -> bool) {
    let listed: BTreeSet<IpAddr> = goal.local_ips.keys().map(|ip| ip.address).collect();
    for (local_ip, ports) in &actual.local_ips {
        if !listed.contains(&local_ip.address) && keeps(&local_ip.pool) {
            goal.local_ips.insert(local_ip.clone(), *ports);
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
