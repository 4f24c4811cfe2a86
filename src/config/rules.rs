// SPDX-License-Identifier: GPL-2.0-only
//! `[[full_nat]]`: full NAT by rule, for services that another program creates in
//! IPVS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::address;
use super::client_address;
use super::defaults::Defaults;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Invalid, Section, Value, array, form, string};
use super::service;
use super::spelling::{meant, quoted};
use super::value::number;

use crate::model::{ClientAddress, Family, Network, PortRange, Protocol, Rule};

/// The module's limits (`kmod/table/rules.h`).
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
    pub ports: Vec<PortRange>,
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
            "a rule needs at least one address",
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
fn network(text: &str) -> Result<Network, Invalid> {
    const FORM: &str = "write it like \"10.0.0.0/24\", \"10.0.0.1\" or \"fd00:1::/64\"";
    let network = address::network(text, FORM)?;
    unroutable(network)?;
    Ok(network)
}

/// Refuses networks that full NAT cannot serve.
fn unroutable(network: Network) -> Result<(), Invalid> {
    let none = [
        ("127.0.0.0/8", "loopback addresses never leave this host"),
        ("224.0.0.0/3", "these addresses cannot be VIPs"),
        ("::1/128", "loopback addresses never leave this host"),
        (
            "fe80::/10",
            "link-local addresses are ambiguous without an interface",
        ),
        ("ff00::/8", "these addresses cannot be VIPs"),
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
            return Err(Invalid::new(why, "use networks that are routed"));
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
            "a rule needs at least one protocol",
            "name some of `tcp`, `udp` and `sctp`, or leave `protocols` out for all",
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
fn port_list(text: &str) -> Result<Vec<PortRange>, Invalid> {
    const FORM: &str = "write it like \"80,443,30000-32767\"";
    let mut ranges = Vec::new();
    for word in text.split(',').map(str::trim) {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let (Some(first), Some(last)) = (number::<u16>(first), number::<u16>(last)) else {
            return Err(Invalid::new(
                format!("{} is not a port or a range", quoted(word)),
                FORM,
            ));
        };
        if first == 0 {
            return Err(Invalid::new(
                "a service of a rule cannot have port 0",
                "leave `ports` out for every port",
            ));
        }
        if first > last {
            return Err(Invalid::new(
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
        return Err(Invalid::new(
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
            "name those at which requests arrive, or leave `interfaces` out for all",
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
