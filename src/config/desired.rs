// SPDX-License-Identifier: GPL-2.0-only
//! Converts a [`Config`] to the state that it asks for on this host.

use std::collections::{BTreeMap, BTreeSet};

use super::client_address;
use super::diagnostics::Span;
use super::director::{Xdp, is_wild};
use super::parse::Config;
use super::rules::RuleEntry;
use super::service::ServiceEntry;
use crate::model::{
    Datapath, FullNat, LocalIp, PortRange, PortSecret, Rule, Service, ServiceKey, SourceLines,
    State, SyncDaemon, SyncDaemons, Toa,
};

impl Config {
    /// True if the file belongs to a server. Such a file contains only the receiver of
    /// clients' addresses and decides nothing else.
    pub fn is_of_server(&self) -> bool {
        self.is_of_server
    }

    /// Returns the state for a host with these interfaces. Parts for a missing interface
    /// are left out, so that the others still work.
    pub fn desired(&self, interfaces: &[String]) -> State {
        State {
            sync: self.sync(interfaces),
            port_secret: self.port_secret(),
            datapath: self.datapath(interfaces),
            ..self.on_any_host()
        }
    }

    /// Returns the listed interfaces that the host lacks; they may appear later. A
    /// pattern that matches nothing is not missing. The exception is a list of patterns
    /// only, none of which matches: then every pattern is missing.
    pub fn absent(&self, interfaces: &[String]) -> BTreeSet<String> {
        let absent = self.absences(interfaces);
        absent
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect()
    }

    /// Returns the lines that the services and rules are from, those of lists, groups and
    /// included files too.
    pub fn places(&self) -> SourceLines {
        let place = self.source.places();
        let services = self.services.iter().filter_map(|service| {
            let (key, span) = service.key.as_ref()?;
            Some((key.to_string(), place(span.start)))
        });
        let rules = self.rules.iter().flat_map(|entry| {
            let place = place(entry.span.start);
            entry
                .rules()
                .map(move |rule| (rule.to_string(), place.clone()))
        });
        services.chain(rules).collect()
    }

    /// Returns the missing interfaces with their places in the text.
    pub(super) fn absences(&self, interfaces: &[String]) -> Vec<(&str, &Span)> {
        let director = self.director.iter();
        let listed: Vec<_> = director.flat_map(|director| &director.interfaces).collect();
        let no_name = listed.iter().all(|(pattern, _)| is_wild(pattern));
        let fits = |pattern: &glob::Pattern| interfaces.iter().any(|name| pattern.matches(name));
        let nothing = no_name && !listed.iter().any(|(pattern, _)| fits(pattern));
        let attached = listed
            .into_iter()
            .filter(|(pattern, _)| nothing || !(is_wild(pattern) || fits(pattern)))
            .map(|(pattern, span)| (pattern.as_str(), span));
        let daemons = self.sync.iter().flat_map(|sync| &sync.interfaces);
        let daemons = daemons
            .filter(|(name, _)| !interfaces.contains(name))
            .map(|(name, span)| (name.as_str(), span));
        attached.chain(daemons).collect()
    }

    /// Returns the state with the patterns of the file in place of interface names.
    pub fn on_any_host(&self) -> State {
        let datapath = self.director.as_ref().map(|director| Datapath {
            interfaces: director.interfaces.iter().map(pattern_text).collect(),
            xdp: match &director.xdp {
                Xdp::None => BTreeSet::new(),
                Xdp::All => director.interfaces.iter().map(pattern_text).collect(),
                Xdp::Some(patterns) => patterns
                    .iter()
                    .map(|pattern| pattern.as_str().to_owned())
                    .collect(),
            },
            max_sessions: director.max_sessions,
            fast_path: director.fast_path,
            other_build: false,
        });
        State {
            timeouts: self.timeouts.timeouts,
            sysctls: self.sysctls.clone(),
            sync: self.sync.as_ref().map(|sync| sync.daemons.clone()),
            port_secret: self.port_secret(),
            datapath: datapath.filter(|datapath| !datapath.interfaces.is_empty()),
            local_ips: self.local_ips(),
            full_nat: self.full_nat(),
            rules: self.rules(),
            services: self.services(),
            toa: self.toa.as_ref().map(|toa| Toa {
                trust: toa.trust.keys().copied().collect(),
                other_build: false,
            }),
            external_servers: self.external_servers(),
        }
    }

    fn port_secret(&self) -> Option<PortSecret> {
        let (secret, _) = self.director.as_ref()?.port_secret.as_ref()?;
        Some(*secret)
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

    /// The datapath is wanted as soon as interfaces are listed. So the last full-NAT
    /// service can be removed without a restart of everything.
    fn datapath(&self, interfaces: &[String]) -> Option<Datapath> {
        let director = self.director.as_ref()?;
        if director.interfaces.is_empty() {
            return None;
        }
        let is_listed = |name: &&String| {
            let mut patterns = director.interfaces.iter();
            patterns.any(|(pattern, _)| pattern.matches(name))
        };
        let listed: BTreeSet<String> = interfaces.iter().filter(is_listed).cloned().collect();
        let at_xdp = listed.iter().filter(|name| director.xdp.has(name));
        Some(Datapath {
            xdp: at_xdp.cloned().collect(),
            interfaces: listed,
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

    fn full_nat(&self) -> BTreeMap<ServiceKey, FullNat> {
        self.services
            .iter()
            .filter_map(|entry| {
                let (key, _) = entry.key.as_ref()?;
                let (pool, _) = entry.snat.as_ref()?;
                let full_nat = FullNat {
                    pool: pool.clone(),
                    client_address: client_address::of_service(self, entry),
                };
                Some((key.clone(), full_nat))
            })
            .collect()
    }

    pub(super) fn rules(&self) -> BTreeMap<Rule, FullNat> {
        let with_pool = |entry: &RuleEntry| {
            let (pool, _) = entry.snat.clone()?;
            let full_nat = FullNat {
                pool,
                client_address: client_address::of_rule(self, entry),
            };
            Some(
                entry
                    .rules()
                    .map(move |rule| (rule, full_nat.clone()))
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

    fn external_servers(&self) -> BTreeSet<ServiceKey> {
        let external = self
            .services
            .iter()
            .filter(|entry| entry.external.is_some());
        external
            .filter_map(|entry| Some(entry.key.as_ref()?.0.clone()))
            .collect()
    }
}

fn pattern_text((pattern, _): &(glob::Pattern, Span)) -> String {
    pattern.as_str().to_owned()
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
