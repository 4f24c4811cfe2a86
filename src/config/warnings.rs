// SPDX-License-Identifier: GPL-2.0-only
//! Warnings about valid text that is probably not intended. They do not change the exit
//! status.

use std::collections::{BTreeMap, BTreeSet};

use super::diagnostics::{Diagnostics, Mistake, Mistakes};
use super::parse::Config;
use super::service::{SCHEDULERS, ServiceEntry};
use super::spelling::{closest, listed, quoted};
use crate::model::{PortRange, ServiceKey, fallback_flag, refuses_at_weight_0};

/// These check only for a weight of 0 (ip_vs_rr.c, ip_vs_lc.c, ip_vs_dh.c).
const WITHOUT_WEIGHTS: [&str; 3] = ["rr", "lc", "dh"];

impl Config {
    /// Returns the warnings that depend on the file only.
    pub fn warnings(&self) -> Option<Diagnostics> {
        self.warnings_about(None)
    }

    /// Returns the warnings for a host with these interfaces.
    pub fn warnings_on(&self, interfaces: &[String]) -> Option<Diagnostics> {
        self.warnings_about(Some(interfaces))
    }

    fn warnings_about(&self, interfaces: Option<&[String]>) -> Option<Diagnostics> {
        let warnings = Mistakes::default();
        if let Some(interfaces) = interfaces {
            absent(self, interfaces, &warnings);
            patterns(self, interfaces, &warnings);
        }
        no_service(self, &warnings);
        trusts_every_host(self, &warnings);
        port_secret(self, &warnings);
        pools(self, &warnings);
        groups(self, &warnings);
        interfaces_twice(self, &warnings);
        servers_under_rules(self, &warnings);
        for service in &self.services {
            scheduler(service, &warnings);
            servers(service, &warnings);
            weights(service, &warnings);
            addresses(service, &warnings);
        }
        warnings.into_warnings(&self.source)
    }
}

/// Warns if everybody is trusted: any client could then claim another address.
fn trusts_every_host(config: &Config, warnings: &Mistakes) {
    let trust = config.toa.iter().flat_map(|toa| &toa.trust);
    for (network, span) in trust.filter(|(network, _)| network.length == 0) {
        warnings.add(Mistake::new(
            span,
            format!(
                "{network} trusts every host: a client that reaches the server directly can \
                 claim any address"
            ),
            "list the local IPs of the directors",
        ));
    }
}

/// Warns if synchronized sessions would have other ports on the other director.
fn port_secret(config: &Config, warnings: &Mistakes) {
    let is_shared = config
        .director
        .as_ref()
        .is_some_and(|director| director.port_secret.is_some());
    let daemons = config.sync.iter().flat_map(|sync| &sync.interfaces);
    if let Some((_, span)) = daemons.into_iter().next()
        && !config.pools.is_empty()
        && !is_shared
    {
        warnings.add(Mistake::new(
            span,
            "the other director chooses other local ports, so full-NAT connections break at a \
             failover",
            "write `port_secret` into `[director]`, the output of `openssl rand -hex 16`, the same \
             on both directors",
        ));
    }
}

/// Warns about missing interfaces. `apply` continues without them until they appear.
fn absent(config: &Config, interfaces: &[String], warnings: &Mistakes) {
    let names = || interfaces.iter().map(String::as_str);
    for (name, span) in config.absences(interfaces) {
        let meant = closest(name, names()).map_or_else(String::new, |meant| {
            format!("did you mean {}? ", quoted(meant))
        });
        warnings.add(Mistake::new(
            span,
            format!(
                "this host has no interface {}; `apply` does the rest",
                quoted(name)
            ),
            format!("{meant}it has: {}", listed(names())),
        ));
    }
}

/// Warns about patterns that match nothing. They may be for another host.
fn patterns(config: &Config, interfaces: &[String], warnings: &Mistakes) {
    let patterns = config
        .director
        .iter()
        .flat_map(|director| &director.interfaces);
    let absent = config.absent(interfaces);
    for (pattern, span) in patterns {
        let name = pattern.as_str();
        if !absent.contains(name) && !interfaces.iter().any(|name| pattern.matches(name)) {
            warnings.add(Mistake::new(
                span,
                format!("no interface of this host matches {}", quoted(name)),
                format!("it has: {}", listed(interfaces.iter().map(String::as_str))),
            ));
        }
    }
}

fn no_service(config: &Config, warnings: &Mistakes) {
    if !config.lists_services && config.rules.is_empty() && !config.is_of_server {
        warnings.add(Mistake::new(
            &(0..0),
            "the file lists no service, so `apply` removes those that are there",
            "if that is intended, write `service = []` at the top",
        ));
    }
}

fn pools(config: &Config, warnings: &Mistakes) {
    let used: BTreeSet<&str> = config
        .services
        .iter()
        .map(|service| &service.snat)
        .chain(config.rules.iter().map(|rule| &rule.snat))
        .filter_map(|snat| Some(snat.as_ref()?.0.as_str()))
        .collect();
    for (name, pool) in &config.pools {
        if !used.contains(name.as_str()) {
            warnings.add(Mistake::new(
                &pool.span,
                format!("no service uses the pool {}", quoted(name)),
                format!("name it in a service: `snat = \"{name}\"`"),
            ));
        }
    }
}

fn groups(config: &Config, warnings: &Mistakes) {
    let used = config
        .services
        .iter()
        .filter_map(|service| service.group.as_ref());
    let used: BTreeSet<&String> = used.collect();
    for (name, group) in &config.groups {
        if !used.contains(name) {
            warnings.add(Mistake::new(
                &group.span,
                format!("no service uses the servers {}", quoted(name)),
                "name them as the `servers` of a service, or remove the group",
            ));
        }
    }
}

fn scheduler(service: &ServiceEntry, warnings: &Mistakes) {
    let (name, span) = &service.scheduler;
    if !SCHEDULERS.contains(&name.as_str()) {
        warnings.add(Mistake::new(
            span,
            format!("{} is not a scheduler that ipvs-bpf knows", quoted(name)),
            format!(
                "it is left to the kernel's module ip_vs_{name}; known: {}",
                listed(SCHEDULERS)
            ),
        ));
    }
}

fn servers(service: &ServiceEntry, warnings: &Mistakes) {
    let Some((key, span)) = &service.key else {
        return;
    };
    if service.external.is_some() {
        return;
    }
    if service.servers.is_empty() {
        warnings.add(Mistake::new(
            span,
            format!("{key} has no server, so its clients are not served"),
            "add one below it: `[[service.server]]`",
        ));
    } else if service.servers.iter().all(|server| server.weight == 0) {
        warnings.add(Mistake::new(
            span,
            format!("every server of {key} has weight 0: it takes no new connections"),
            "give one a `weight` of 1 or more",
        ));
    } else {
        refused_clients(service, warnings);
    }
}

/// Warns once for each service.
fn refused_clients(service: &ServiceEntry, warnings: &Mistakes) {
    let scheduler = &service.scheduler.0;
    let drained = service.servers.iter().find(|server| server.weight == 0);
    if let Some((_, span)) = drained.and_then(|server| server.address.as_ref())
        && refuses_at_weight_0(scheduler, service.scheduler_flags)
    {
        warnings.add(Mistake::new(
            span,
            format!("`{scheduler}` refuses the clients that it maps to a server of weight 0"),
            match fallback_flag(scheduler) {
                Some(flag) => format!("add {flag} to `scheduler_flags`, or remove the server"),
                None => "remove the server".to_owned(),
            },
        ));
    }
}

fn interfaces_twice(config: &Config, warnings: &Mistakes) {
    let mut seen = BTreeMap::new();
    let patterns = config
        .director
        .iter()
        .flat_map(|director| &director.interfaces);
    for (pattern, span) in patterns {
        if let Some(first) = seen.insert(pattern.as_str(), span) {
            let message = format!("the interface {} is listed twice", quoted(pattern.as_str()));
            warnings.add(
                Mistake::new(span, message, "remove one of the two").see(first, "it is also here"),
            );
        }
    }
}

/// Warns about servers that a rule covers. Rules are for VIPs. Packets to a server pass
/// the rule, unless IPVS has a service at that address.
fn servers_under_rules(config: &Config, warnings: &Mistakes) {
    let servers = config.services.iter().flat_map(|service| &service.servers);
    for (address, span) in servers.filter_map(|server| server.address.as_ref()) {
        let ports = PortRange {
            first: address.port(),
            last: address.port(),
        };
        let found = config.rules.iter().find(|entry| {
            let mut rules = entry.rules();
            rules.any(|rule| rule.reaches(address.ip(), ports))
        });
        if let Some(entry) = found {
            warnings.add(
                Mistake::new(
                    span,
                    format!("{address} is a server, and a rule covers it, which is for VIPs"),
                    "remove the address from the rule's `addresses`, or the port from its `ports`",
                )
                .see(entry.place_of(address.ip()), "the rule"),
            );
        }
    }
}

/// Warns about full-NAT servers that are this host.
fn addresses(service: &ServiceEntry, warnings: &Mistakes) {
    if service.snat.is_none() {
        return;
    }
    let vip = match &service.key {
        Some((ServiceKey::Address { address, .. }, _)) => Some(address.ip()),
        _ => None,
    };
    for server in &service.servers {
        let Some((address, span)) = &server.address else {
            continue;
        };
        let what = if address.ip().is_loopback() {
            "a loopback address, which full NAT cannot reach"
        } else if vip == Some(address.ip()) {
            "the VIP itself, which full NAT cannot reach as a server"
        } else {
            continue;
        };
        warnings.add(Mistake::new(
            span,
            format!("{} is {what}", address.ip()),
            "name the server's own address",
        ));
    }
}

/// Warns once for each service.
fn weights(service: &ServiceEntry, warnings: &Mistakes) {
    let (scheduler, span) = &service.scheduler;
    if !WITHOUT_WEIGHTS.contains(&scheduler.as_str()) {
        return;
    }
    let used: BTreeSet<u32> = service
        .servers
        .iter()
        .map(|server| server.weight)
        .filter(|weight| *weight != 0)
        .collect();
    if used.len() > 1 {
        warnings.add(Mistake::new(
            span,
            format!("the servers' weights differ, but `{scheduler}` ignores every weight except 0"),
            match scheduler.as_str() {
                "dh" => "leave the weights out".to_owned(),
                _ => format!("write `scheduler = \"w{scheduler}\"`, or leave the weights out"),
            },
        ));
    }
}
