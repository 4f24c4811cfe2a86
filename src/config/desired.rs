// SPDX-License-Identifier: GPL-2.0-only
//! [`Config`] → the state that it asks for on this host.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostics::Span;
use super::parse::Config;
use super::rules::RuleEntry;
use super::service::ServiceEntry;
use crate::model::{
    Datapath, LocalIp, PortRange, Rule, Service, ServiceKey, State, SyncDaemon, SyncDaemons, Toa,
};

impl Config {
    /// The file is a server's: it asks for nothing but the receiver of clients' addresses,
    /// and decides nothing else.
    pub fn is_of_server(&self) -> bool {
        self.is_of_server
    }

    /// `interfaces`: the names of those that the host has. What is to be at another one
    /// is left out: the rest is served without it.
    pub fn desired(&self, interfaces: &[String]) -> State {
        State {
            sync: self.sync(interfaces),
            datapath: self.datapath(interfaces),
            ..self.on_any_host()
        }
    }

    /// The interfaces that are listed and that the host lacks, which may still come. A
    /// pattern may fit none, but where all do and none fits, each is one of these.
    pub fn absent(&self, interfaces: &[String]) -> BTreeSet<String> {
        let absent = self.absences(interfaces);
        absent
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// The same with their places.
    pub(super) fn absences(&self, interfaces: &[String]) -> Vec<(&str, &Span)> {
        let director = self.director.iter();
        let listed: Vec<_> = director.flat_map(|director| &director.interfaces).collect();
        let no_name = listed.iter().all(|(pattern, _)| is_wild(pattern));
        let fits = |pattern: &glob::Pattern| interfaces.iter().any(|name| pattern.matches(name));
        let nothing = no_name && !listed.iter().any(|(pattern, _)| fits(pattern));
        let carriers = listed
            .into_iter()
            .filter(|(pattern, _)| nothing || !(is_wild(pattern) || fits(pattern)))
            .map(|(pattern, span)| (pattern.as_str(), span));
        let daemons = self.sync.iter().flat_map(|sync| &sync.interfaces);
        let daemons = daemons
            .filter(|(name, _)| !interfaces.contains(name))
            .map(|(name, span)| (name.as_str(), span));
        carriers.chain(daemons).collect()
    }

    /// The same with the patterns in place of the interfaces.
    pub fn on_any_host(&self) -> State {
        let datapath = self.director.as_ref().map(|director| Datapath {
            interfaces: director
                .interfaces
                .iter()
                .map(|(pattern, _)| pattern.as_str().to_owned())
                .collect(),
            max_sessions: director.max_sessions,
            fast_path: director.fast_path,
            other_build: false,
        });
        State {
            timeouts: self.timeouts.timeouts,
            sysctls: self.sysctls.clone(),
            sync: self.sync.as_ref().map(|sync| sync.daemons.clone()),
            datapath: datapath.filter(|datapath| !datapath.interfaces.is_empty()),
            local_ips: self.local_ips(),
            full_nat: self.full_nat(),
            rules: self.rules(),
            services: self.services(),
            toa: self.toa.as_ref().map(|toa| Toa {
                trust: toa.trust.keys().copied().collect(),
                other_build: false,
            }),
        }
    }

    fn sync(&self, interfaces: &[String]) -> Option<SyncDaemons> {
        let wanted = &self.sync.as_ref()?.daemons;
        let there = |daemon: &Option<SyncDaemon>| {
            let daemon = daemon.as_ref();
            daemon
                .filter(|daemon| interfaces.contains(&daemon.interface))
                .cloned()
        };
        Some(SyncDaemons {
            master: there(&wanted.master),
            backup: there(&wanted.backup),
        })
    }

    /// Wanted as soon as interfaces are listed, so that the last full-NAT
    /// service can go without a restart of all.
    fn datapath(&self, interfaces: &[String]) -> Option<Datapath> {
        let director = self.director.as_ref()?;
        if director.interfaces.is_empty() {
            return None;
        }
        let is_listed = |name: &&String| {
            let mut patterns = director.interfaces.iter();
            patterns.any(|(pattern, _)| pattern.matches(name))
        };
        Some(Datapath {
            interfaces: interfaces.iter().filter(is_listed).cloned().collect(),
            max_sessions: director.max_sessions,
            fast_path: director.fast_path,
            other_build: false,
        })
    }

    fn local_ips(&self) -> BTreeMap<LocalIp, PortRange> {
        let mut local_ips = BTreeMap::new();
        for (name, pool) in &self.pools {
            for address in pool.addresses.keys() {
                let local_ip = LocalIp {
                    pool: name.clone(),
                    address: *address,
                };
                local_ips.insert(local_ip, pool.ports);
            }
        }
        local_ips
    }

    fn full_nat(&self) -> BTreeMap<ServiceKey, String> {
        self.services
            .iter()
            .filter_map(|entry| {
                let (key, _) = entry.key.as_ref()?;
                let (pool, _) = entry.snat.as_ref()?;
                Some((key.clone(), pool.clone()))
            })
            .collect()
    }

    fn rules(&self) -> BTreeMap<Rule, String> {
        let with_pool = |entry: &RuleEntry| {
            let (pool, _) = entry.snat.clone()?;
            Some(
                entry
                    .rules()
                    .map(move |rule| (rule, pool.clone()))
                    .collect::<Vec<_>>(),
            )
        };
        self.rules.iter().filter_map(with_pool).flatten().collect()
    }

    fn services(&self) -> BTreeMap<ServiceKey, Service> {
        self.services
            .iter()
            .filter_map(|entry| Some((entry.key.as_ref()?.0.clone(), service(entry))))
            .collect()
    }
}

fn is_wild(pattern: &glob::Pattern) -> bool {
    pattern.as_str().contains(['*', '?', '['])
}

fn service(entry: &ServiceEntry) -> Service {
    Service {
        scheduler: entry.scheduler.0.clone(),
        scheduler_flags: entry.scheduler_flags,
        persistence: entry
            .persistence
            .as_ref()
            .and_then(|(persistence, _)| persistence.clone()),
        one_packet: entry.one_packet.is_some(),
        servers: entry
            .servers
            .iter()
            .filter_map(|entry| Some((entry.address.as_ref()?.0, entry.server())))
            .collect(),
    }
}
