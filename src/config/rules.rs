// SPDX-License-Identifier: GPL-2.0-only
//! `[[full_nat]]`: full NAT by rule, for services that another program creates in
//! IPVS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::address;
use super::client_address;
use super::defaults::Defaults;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::full_nat;
use super::parse::Config;
use super::reader::{Section, Value, Wrong, array, form, string};
use super::service;
use super::spelling::{meant, quoted};
use super::value::number;

use crate::model::{ClientAddress, Family, Network, PortRange, Protocol, Rule, ServiceKey};

/// The module's limits (`kmod/table/rules.h`).
const MOST_RULES: usize = 256;
const MOST_NETWORKS: usize = 1024;
const MOST_PORTS: usize = 64;
const MOST_INTERFACES: usize = 16;
/// `IFNAMSIZ`, without the NUL.
const LONGEST_INTERFACE: usize = 15;

/// A rule as it is written, with the places of its parts.
#[derive(Clone, Debug)]
pub(super) struct RuleEntry {
    pub span: Span,
    pub networks: BTreeMap<Network, Span>,
    protocols: BTreeSet<Protocol>,
    ports: Vec<PortRange>,
    interfaces: BTreeSet<String>,
    pub snat: Option<(String, Span)>,
    pub client_address: Option<(Option<ClientAddress>, Span)>,
}

pub(super) fn read(section: Section, defaults: &Defaults) -> RuleEntry {
    let mistakes = section.mistakes;
    let networks = networks(&section);
    let protocols = section
        .take("protocols")
        .map_or(Protocol::ALL.into(), |value| protocols(value, mistakes));
    let ports = section.take("ports").and_then(|value| {
        let (ports, _) = form(value, "ports", "list of ports", port_list, mistakes)?;
        Some(ports)
    });
    let interfaces = section
        .take("interfaces")
        .map_or_else(BTreeSet::new, |value| interfaces(value, mistakes));
    if defaults.snat.is_none() {
        section.require("snat", "`snat = \"default\"`: the pool of local IPs");
    }
    let entry = RuleEntry {
        span: section.span.clone(),
        networks,
        protocols,
        ports: ports.unwrap_or_default(),
        interfaces,
        snat: service::snat(&section, defaults.snat.as_ref()),
        client_address: client_address::read(&section),
    };
    section.finish();
    entry
}

fn networks(section: &Section) -> BTreeMap<Network, Span> {
    const FORM: &str = "`addresses = [\"10.0.0.0/24\"]`: the networks of the VIPs";
    let mut networks = BTreeMap::new();
    let Some(value) = section.require("addresses", FORM) else {
        return networks;
    };
    let Some(list) = array(value, "addresses", section.mistakes) else {
        return networks;
    };
    if list.is_empty() {
        section.mistakes.add(Mistake::new(
            &value.span(),
            "a rule without an address is for no service",
            "name the networks of the VIPs, or remove the rule",
        ));
    }
    for value in list {
        const WHAT: &str = "address or network of VIPs";
        let read = form(value, "addresses", WHAT, network, section.mistakes);
        let Some((network, span)) = read else {
            continue;
        };
        if let Some(first) = networks.get(&network) {
            section.mistakes.add(
                Mistake::new(
                    &span,
                    format!("{network} is listed twice"),
                    "remove one of the two",
                )
                .see(first, "it is also here"),
            );
        } else {
            networks.insert(network, span);
        }
    }
    networks
}

/// Parses "10.0.0.1", "10.0.0.0/24" or "fd00::/64".
fn network(text: &str) -> Result<Network, Wrong> {
    const FORM: &str = "write it like \"10.0.0.0/24\", \"10.0.0.1\" or \"fd00:1::/64\"";
    let network = address::network(text, FORM)?;
    unroutable(network)?;
    Ok(network)
}

/// Refuses networks that full NAT cannot serve.
fn unroutable(network: Network) -> Result<(), Wrong> {
    let none = [
        ("127.0.0.0/8", "loopback addresses never leave this host"),
        ("224.0.0.0/3", "no VIP is among these addresses"),
        ("::1/128", "loopback addresses never leave this host"),
        (
            "fe80::/10",
            "link-local addresses say nothing without their link",
        ),
        ("ff00::/8", "no VIP is among these addresses"),
    ];
    for (all, why) in none {
        let Some((address, length)) = all.split_once('/') else {
            continue;
        };
        let (Ok(address), Some(length)) = (address.parse(), number(length)) else {
            continue;
        };
        let all = Network { address, length };
        if network.length >= all.length && all.contains(network.address) {
            return Err(Wrong::new(why, "take networks that are routed"));
        }
    }
    Ok(())
}

fn protocols(value: &Value, mistakes: &Mistakes) -> BTreeSet<Protocol> {
    let mut protocols = BTreeSet::new();
    let Some(list) = array(value, "protocols", mistakes) else {
        return protocols;
    };
    if list.is_empty() {
        mistakes.add(Mistake::new(
            &value.span(),
            "a rule without a protocol is for no service",
            "name some of `tcp`, `udp` and `sctp`, or leave `protocols` out, which is all",
        ));
    }
    for value in list {
        let Some((name, span)) = string(value, "a protocol", mistakes) else {
            continue;
        };
        let mut all = Protocol::ALL.into_iter();
        let Some(protocol) = all.find(|protocol| protocol.to_string() == name) else {
            mistakes.add(Mistake::new(
                &span,
                format!("{} is not a protocol that full NAT serves", quoted(name)),
                meant(name, ["tcp", "udp", "sctp"]),
            ));
            continue;
        };
        if !protocols.insert(protocol) {
            mistakes.add(Mistake::new(
                &span,
                format!("`{protocol}` is listed twice"),
                "remove one of the two",
            ));
        }
    }
    protocols
}

/// Parses "80,443,30000-32767". The result is ascending, with adjacent ranges merged.
fn port_list(text: &str) -> Result<Vec<PortRange>, Wrong> {
    const FORM: &str = "write it like \"80,443,30000-32767\"";
    let mut ranges = Vec::new();
    for word in text.split(',').map(str::trim) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (Some(first), Some(last)) = (number::<u16>(first), number::<u16>(last)) else {
            return Err(Wrong::new(
                format!("{} is not a port or a range", quoted(word)),
                FORM,
            ));
        };
        if first == 0 {
            return Err(Wrong::new(
                "no service has port 0",
                "leave `ports` out, which is every port",
            ));
        }
        if first > last {
            return Err(Wrong::new(
                format!("the first port of {} is above the last", quoted(word)),
                format!("write \"{last}-{first}\""),
            ));
        }
        ranges.push(PortRange { first, last });
    }
    ranges.sort_unstable();
    let mut merged: Vec<PortRange> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(before) if u32::from(range.first) <= u32::from(before.last) + 1 => {
                before.last = before.last.max(range.last);
            }
            _ => merged.push(range),
        }
    }
    if merged.len() > MOST_PORTS {
        return Err(Wrong::new(
            format!("more than {MOST_PORTS} ranges"),
            "write two rules, or wider ranges",
        ));
    }
    Ok(merged)
}

fn interfaces(value: &Value, mistakes: &Mistakes) -> BTreeSet<String> {
    let mut interfaces = BTreeSet::new();
    let Some(list) = array(value, "interfaces", mistakes) else {
        return interfaces;
    };
    if list.is_empty() || list.len() > MOST_INTERFACES {
        mistakes.add(Mistake::new(
            &value.span(),
            format!("a rule has 1 to {MOST_INTERFACES} interfaces"),
            "name those that requests come in by, or leave `interfaces` out, which is all",
        ));
    }
    for value in list {
        let Some((name, span)) = string(value, "the name of an interface", mistakes) else {
            continue;
        };
        let plain = name.strip_suffix('*').unwrap_or(name);
        let fits = !plain.is_empty()
            && name.len() <= LONGEST_INTERFACE
            && !plain.contains(['*', '?', '[', ',', '/', ':'])
            && !plain.contains(|letter: char| letter.is_whitespace() || letter.is_control());
        if fits {
            interfaces.insert(name.to_owned());
        } else {
            mistakes.add(Mistake::new(
                &span,
                format!("{} is not an interface of a rule", quoted(name)),
                "write a name like \"eth0\", or the beginning of names and a star: \"eth*\"",
            ));
        }
    }
    interfaces
}

impl RuleEntry {
    pub fn has_tcp(&self) -> bool {
        self.protocols.contains(&Protocol::Tcp)
    }

    /// Returns one rule for each address family of the networks.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        let of = |family| Rule {
            networks: self
                .networks
                .keys()
                .filter(|network| Family::of(network.address) == family)
                .copied()
                .collect(),
            protocols: self.protocols.clone(),
            ports: self.ports.clone(),
            interfaces: self.interfaces.clone(),
        };
        let rules = [of(Family::Ipv4), of(Family::Ipv6)].into_iter();
        rules.filter(|rule| !rule.networks.is_empty())
    }

    /// Returns the place of the network that contains the address.
    pub fn place_of(&self, address: IpAddr) -> &Span {
        let mut networks = self.networks.iter();
        let found = networks.find(|(network, _)| network.contains(address));
        found.map_or(&self.span, |(_, span)| span)
    }
}

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    count(config, mistakes);
    for (index, entry) in config.rules.iter().enumerate() {
        everything(entry, mistakes);
        if let Some((pool, span)) = &entry.snat {
            // An unknown pool is reported once, a known one is checked for each
            // family.
            let rules = entry.rules().filter(|_| config.pools.contains_key(pool));
            let rules = rules.map(|rule| {
                let what = format!("the rule for {}", rule.network_list());
                Some((what, rule.family()))
            });
            for what in rules.chain([None]) {
                full_nat::pool_of(config, what, pool, span, mistakes);
            }
        }
        for rule in entry.rules() {
            let before = config.rules.get(..index).unwrap_or_default();
            overlap(entry, &rule, before, mistakes);
            local_ips(config, entry, &rule, mistakes);
            services(config, entry, &rule, mistakes);
        }
    }
}

fn count(config: &Config, mistakes: &Mistakes) {
    let rules: usize = config.rules.iter().map(|entry| entry.rules().count()).sum();
    let networks: usize = config.rules.iter().map(|entry| entry.networks.len()).sum();
    if let Some(last) = config.rules.last()
        && (rules > MOST_RULES || networks > MOST_NETWORKS)
    {
        mistakes.add(Mistake::new(
            &last.span,
            format!(
                "with this there are more than {MOST_RULES} rules, one a family, or \
                 {MOST_NETWORKS} networks"
            ),
            "join rules that differ in their addresses alone, and networks that touch",
        ));
    }
}

/// Warns about a rule that covers every current and future service in IPVS.
fn everything(entry: &RuleEntry, mistakes: &Mistakes) {
    let all = entry
        .networks
        .iter()
        .find(|(network, _)| network.length == 0);
    if let Some((_, span)) = all
        && entry.ports.is_empty()
    {
        mistakes.add(Mistake::new(
            span,
            "a rule of every address and every port",
            "name the networks of the VIPs, or the `ports` of the services",
        ));
    }
}

fn overlap(entry: &RuleEntry, rule: &Rule, before: &[RuleEntry], mistakes: &Mistakes) {
    let other = before.iter().find_map(|other| {
        let found = other.rules().find(|found| found.overlaps(rule))?;
        Some((other, found))
    });
    let Some((other, found)) = other else {
        return;
    };
    // The two networks that overlap.
    let mut pairs = rule.networks.iter().flat_map(|one| {
        let others = found.networks.iter();
        others.map(move |two| (*one, *two))
    });
    let Some((one, two)) = pairs.find(|(one, two)| one.overlaps(*two)) else {
        return;
    };
    let place = |entry: &RuleEntry, network: Network| {
        let found = entry.networks.get(&network);
        found.unwrap_or(&entry.span).clone()
    };
    mistakes.add(
        Mistake::new(
            &place(entry, one),
            format!("two rules are for the same destinations, {one} and {two}"),
            "let them differ in addresses, ports or protocols: a service is full NAT by one",
        )
        .see(&place(other, two), "the other rule"),
    );
}

/// Requests to a VIP and replies to a local IP must be distinguishable.
fn local_ips(config: &Config, entry: &RuleEntry, rule: &Rule, mistakes: &Mistakes) {
    for pool in config.pools.values() {
        let mut addresses = pool.addresses.iter();
        let found = addresses.find(|(address, _)| rule.reaches(**address, pool.ports));
        if let Some((address, place)) = found {
            mistakes.add(
                Mistake::new(
                    entry.place_of(*address),
                    format!("the rule is for {address} with ports of a local IP"),
                    "requests and replies must be told apart: take other `addresses` or `ports` \
                     for the rule, or other ones for the local IP",
                )
                .see(place, "the local IP"),
            );
        }
    }
}

/// A listed service belongs to the file, so a rule must not cover it.
fn services(config: &Config, entry: &RuleEntry, rule: &Rule, mistakes: &Mistakes) {
    for service in &config.services {
        if let Some((key, span)) = &service.key
            && rule.covers(key)
            && let ServiceKey::Address { address, .. } = key
        {
            mistakes.add(
                Mistake::new(
                    span,
                    format!("{key} is listed, and a rule leaves it to another program"),
                    "remove the service, which the other program makes, or take its address or \
                     port out of the rule",
                )
                .see(entry.place_of(address.ip()), "the rule"),
            );
        }
    }
}
