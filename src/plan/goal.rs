// SPDX-License-Identifier: GPL-2.0-only
//! The state to reach: what the file asks for, together with what the options
//! leave as the kernel has it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::settings;
use crate::model::{Rule, Service, ServiceKey, State};

/// How much of the kernel's state the file decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Servers that are already there keep the weight that the kernel has, so
    /// that an `apply` does not end somebody's drain. New servers take the
    /// file's.
    pub keep_weights: bool,
    pub prune: Prune,
}

/// What becomes of that which the kernel has and the file does not list.
/// Timeouts, sysctls, the sync daemons of a file without `[sync]`, and the receiver of
/// a file without `[toa]` are left alone in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prune {
    /// It is removed.
    Everything,
    /// It is removed from what the file lists: servers from listed services,
    /// local IPs from listed pools, daemons from `[sync]`. Other services and
    /// pools, interfaces and the datapath stay: they may be of others.
    Listed,
    /// It stays.
    Nothing,
}

impl Default for Options {
    /// The file decides everything.
    fn default() -> Self {
        Options {
            keep_weights: false,
            prune: Prune::Everything,
        }
    }
}

/// The state that carrying out the plan ends in; what is read back afterwards
/// has to equal it.
pub fn goal(desired: &State, actual: &State, options: &Options) -> State {
    let mut goal = desired.clone();
    keep_rules(&mut goal, actual, options.prune);
    keep_covered(&mut goal, actual);
    if options.prune != Prune::Everything {
        keep_of_others(&mut goal, actual);
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

/// Rules that the file does not list stay where it decides on what it lists alone, and
/// has none for the same destinations.
fn keep_rules(goal: &mut State, actual: &State, prune: Prune) {
    if prune == Prune::Everything {
        return;
    }
    let listed: Vec<Rule> = goal.rules.keys().cloned().collect();
    for (rule, pool) in &actual.rules {
        if !listed.iter().any(|listed| listed.overlaps(rule)) {
            goal.rules.insert(rule.clone(), pool.clone());
        }
    }
}

/// What a rule covers is another program's.
fn keep_covered(goal: &mut State, actual: &State) {
    for (key, running) in &actual.services {
        if !goal.services.contains_key(key) && goal.rule_of(key).is_some() {
            goal.services.insert(key.clone(), running.clone());
        }
    }
}

/// Keeps whole objects.
fn keep_of_others(goal: &mut State, actual: &State) {
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

    let pools: BTreeSet<String> = goal.local_ips.keys().map(|ip| ip.pool.clone()).collect();
    keep_local_ips(goal, actual, |pool| !pools.contains(pool));

    for (key, running) in &actual.services {
        goal.services
            .entry(key.clone())
            .or_insert_with(|| running.clone());
    }
}

/// Keeps what is in listed objects too.
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

/// The module knows an address once, so one that the file lists in another
/// pool is listed.
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
