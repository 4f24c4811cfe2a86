// SPDX-License-Identifier: GPL-2.0-only
//! [`Config`] → the state that it asks for on this host.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostics::{Diagnostics, Mistake, Mistakes, Span};
use super::parse::Config;
use super::service::ServiceEntry;
use super::spelling::{closest, listed, quoted};
use crate::model::{Datapath, LocalIp, PortRange, Service, ServiceKey, State, SyncDaemons};

impl Config {
    /// `interfaces`: the names of those that the host has. A name that is none
    /// of them is a mistake; a pattern may fit none, but not all of them.
    pub fn desired(&self, interfaces: &[String]) -> Result<State, Diagnostics> {
        let mistakes = Mistakes::default();
        let state = State {
            sync: self.sync(interfaces, &mistakes),
            datapath: self.datapath(interfaces, &mistakes),
            ..self.on_any_host()
        };
        match mistakes.into_diagnostics(&self.name, &self.text) {
            Some(diagnostics) => Err(diagnostics),
            None => Ok(state),
        }
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
            services: self.services(),
        }
    }

    fn sync(&self, interfaces: &[String], mistakes: &Mistakes) -> Option<SyncDaemons> {
        let sync = self.sync.as_ref()?;
        for (name, span) in &sync.interfaces {
            if !interfaces.contains(name) {
                mistakes.add(no_interface(name, span, interfaces));
            }
        }
        Some(sync.daemons.clone())
    }

    /// Wanted as soon as interfaces are listed, so that the last full-NAT
    /// service can go without a restart of all.
    fn datapath(&self, interfaces: &[String], mistakes: &Mistakes) -> Option<Datapath> {
        let director = self.director.as_ref()?;
        if director.interfaces.is_empty() {
            return None;
        }
        let mut found = BTreeSet::new();
        for (pattern, span) in &director.interfaces {
            let mut matching = interfaces
                .iter()
                .filter(|name| pattern.matches(name))
                .peekable();
            if matching.peek().is_none() && !is_wild(pattern) {
                mistakes.add(no_interface(pattern.as_str(), span, interfaces));
            }
            found.extend(matching.cloned());
        }
        let patterns = &director.interfaces;
        if found.is_empty()
            && let Some((first, span)) = patterns.first()
            && patterns.iter().all(|(pattern, _)| is_wild(pattern))
        {
            mistakes.add(no_interface(first.as_str(), span, interfaces));
        }
        Some(Datapath {
            interfaces: found,
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

fn no_interface(pattern: &str, span: &Span, interfaces: &[String]) -> Mistake {
    let names = interfaces.iter().map(String::as_str);
    let meant = closest(pattern, names.clone()).map_or_else(String::new, |meant| {
        format!("did you mean {}? ", quoted(meant))
    });
    Mistake::new(
        span,
        format!("this host has no interface {}", quoted(pattern)),
        format!("{meant}it has: {}", listed(names)),
    )
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
