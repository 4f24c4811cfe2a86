// SPDX-License-Identifier: GPL-2.0-only
//! The text format of the module's proc files, which the kernel prints and parses in
//! `kmod/control/`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::model::{
    ClientAddress, Family, FullNat, LocalIp, Network, PortRange, PortSecret, Protocol, Rule,
    ServiceKey, Timeout,
};

/// A line of `local_ips`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalIpLine {
    pub local_ip: LocalIp,
    pub ports: PortRange,
    pub sessions: u32,
}

/// A line of `services`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullNatLine {
    pub key: ServiceKey,
    /// `None`: the service is no longer configured but still has sessions.
    pub full_nat: Option<FullNat>,
    pub sessions: u32,
    /// A rule of the module made it, for a service that another program added to IPVS.
    pub by_rule: bool,
    /// The listed service of a firewall mark or of every port that made it, for one of its
    /// destinations.
    pub made_by: Option<ServiceKey>,
}

impl FullNatLine {
    /// True if the service is configured itself: it was not made by a rule or by another
    /// service, and is not just kept for its sessions.
    pub fn is_listed(&self) -> bool {
        self.full_nat.is_some() && !self.by_rule && self.made_by.is_none()
    }
}

/// A line of `rules`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    pub rule: Rule,
    pub full_nat: FullNat,
    /// The services that the rule has made and that still exist.
    pub services: u32,
}

/// The registered maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredMaps {
    /// The number of sets in the map of each family: one for each session.
    pub sets: u32,
}

/// The timeouts by the names of their protocols.
const UNANSWERED: [(&str, Timeout); 3] = [
    ("tcp", Timeout::TcpUnanswered),
    ("udp", Timeout::UdpUnanswered),
    ("sctp", Timeout::SctpUnanswered),
];

/// Parses "tcp 10".
pub(super) fn unanswered(line: &str) -> Option<(Timeout, u32)> {
    let (protocol, seconds) = line.split_once(' ')?;
    let (_, timeout) = UNANSWERED.iter().find(|(name, _)| *name == protocol)?;
    Some((*timeout, seconds.parse().ok()?))
}

/// The line that sets one of [`Timeout::UNANSWERED`].
pub(super) fn unanswered_line(timeout: Timeout, seconds: u32) -> String {
    UNANSWERED
        .iter()
        .filter(|(_, known)| *known == timeout)
        .map(|(name, _)| format!("{name} {seconds}\n"))
        .collect()
}

/// The word for a key that the module made itself.
const RANDOM: &str = "random";

/// Parses "random" or a key. `Some(None)`: random.
pub(super) fn port_secret(line: &str) -> Option<Option<PortSecret>> {
    if line == RANDOM {
        return Some(None);
    }
    Some(Some(PortSecret::from_hex(line)?))
}

/// The line that sets the key.
pub(super) fn port_secret_line(secret: Option<PortSecret>) -> String {
    let word = secret.map_or(RANDOM.to_owned(), PortSecret::reveal);
    word + "\n"
}

/// Parses "default 10.2.0.1 1024-65535 sessions 0".
pub(super) fn local_ip(line: &str) -> Option<LocalIpLine> {
    let mut words = line.split(' ');
    let pool = words.next()?.to_owned();
    let address: IpAddr = words.next()?.parse().ok()?;
    let (first, last) = words.next()?.split_once('-')?;
    let ports = PortRange {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    };
    Some(LocalIpLine {
        local_ip: LocalIp { pool, address },
        ports,
        sessions: labelled(&mut words, "sessions")?,
    })
}

pub(super) fn protocol(word: &str) -> Option<Protocol> {
    match word {
        "tcp" => Some(Protocol::Tcp),
        "udp" => Some(Protocol::Udp),
        "sctp" => Some(Protocol::Sctp),
        _ => None,
    }
}

/// The client address setting of a line of the module.
fn client_address(is_told: bool) -> Option<ClientAddress> {
    is_told.then_some(ClientAddress::Toa)
}

/// Parses "tcp 10.0.0.1:80" or "fwmark 7".
fn key<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<ServiceKey> {
    let name = words.next()?;
    let rest = words.next()?;
    let family = match name {
        "fwmark" => Family::Ipv4,
        "fwmark6" => Family::Ipv6,
        name => {
            return Some(ServiceKey::Address {
                protocol: protocol(name)?,
                address: rest.parse().ok()?,
            });
        }
    };
    let mark = rest.parse().ok()?;
    Some(ServiceKey::Fwmark { mark, family })
}

/// Parses "tcp 10.0.0.1:80 default sessions 0", "tcp [fd00::1]:53 … toa sessions 3 rule"
/// or "… sessions 3 of fwmark 7".
pub(super) fn full_nat(line: &str) -> Option<FullNatLine> {
    let mut words = line.split(' ');
    let key = self::key(&mut words)?;
    let pool = words.next()?;
    // Versions before 0.2 have `id ID` here.
    let (begin, end) = line.rsplit_once(" sessions ")?;
    let full_nat = FullNat {
        pool: pool.to_owned(),
        client_address: client_address(begin.split(' ').nth(3) == Some("toa")),
    };
    let (sessions, maker) = end.split_once(' ').unwrap_or((end, ""));
    let made_by = match maker.strip_prefix("of ") {
        Some(name) => Some(self::key(&mut name.split(' '))?),
        None if matches!(maker, "" | "rule") => None,
        None => return None,
    };
    Some(FullNatLine {
        key,
        full_nat: (pool != "-").then_some(full_nat),
        sessions: sessions.parse().ok()?,
        by_rule: maker == "rule",
        made_by,
    })
}

/// Parses "10.0.0.0/24,10.0.1.0/24 tcp,udp 80,443-444 eth0 default toa services 3". "*"
/// means all.
pub(super) fn rule(line: &str) -> Option<RuleLine> {
    let (line, count) = line.rsplit_once(" services ")?;
    let words: Vec<&str> = line.split(' ').collect();
    let (words, is_told) = match &words[..] {
        [words @ .., "toa"] if words.len() == 5 => (words, true),
        words => (words, false),
    };
    let [networks, protocols, ports, interfaces, pool] = *words else {
        return None;
    };
    let services = count.parse().ok()?;
    let networks: Option<BTreeSet<Network>> = networks.split(',').map(network).collect();
    let protocols: Option<BTreeSet<Protocol>> = match protocols {
        "*" => Some(Protocol::ALL.into()),
        list => list.split(',').map(protocol).collect(),
    };
    let ports: Option<Vec<PortRange>> = match ports {
        "*" => Some(Vec::new()),
        list => list.split(',').map(port_range).collect(),
    };
    let interfaces = match interfaces {
        "*" => BTreeSet::new(),
        list => list.split(',').map(str::to_owned).collect(),
    };
    let rule = Rule {
        networks: networks?,
        protocols: protocols?,
        ports: ports?,
        interfaces,
    };
    Some(RuleLine {
        rule,
        full_nat: FullNat {
            pool: pool.to_owned(),
            client_address: client_address(is_told),
        },
        services,
    })
}

fn network(text: &str) -> Option<Network> {
    let (address, length) = text.split_once('/')?;
    Some(Network {
        address: address.parse().ok()?,
        length: length.parse().ok()?,
    })
}

fn port_range(text: &str) -> Option<PortRange> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(PortRange {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    })
}

/// The text that writes all rules at once.
pub(super) fn rules(rules: &BTreeMap<Rule, FullNat>) -> String {
    if rules.is_empty() {
        return "none\n".to_owned();
    }
    let line = |(rule, full_nat): (&Rule, &FullNat)| {
        let or_all = |list: Option<String>| list.unwrap_or_else(|| "*".to_owned());
        format!(
            "{} {} {} {} {}\n",
            rule.network_list(),
            or_all(rule.protocol_list()),
            or_all(rule.port_list()),
            or_all(rule.interface_list()),
            pool_and_option(full_nat)
        )
    };
    rules.iter().map(line).collect()
}

/// Parses "flows4 id 2 type 2 key 4 value 328 entries 65536", then "flows6 …" and
/// "control …". `Ok(None)`: nothing is registered. `Err`: the line that cannot be parsed,
/// or the last line if one is missing.
pub(super) fn maps(lines: &[String]) -> Result<Option<RegisteredMaps>, String> {
    match lines {
        [] => Ok(None),
        [flows4, flows6, control] => {
            let sets = entries(flows4, "flows4").ok_or_else(|| flows4.clone())?;
            entries(flows6, "flows6").ok_or_else(|| flows6.clone())?;
            entries(control, "control").ok_or_else(|| control.clone())?;
            Ok(Some(RegisteredMaps { sets }))
        }
        [.., last] => Err(last.clone()),
    }
}

/// The number of entries if the line is that of the map `name`.
fn entries(line: &str, name: &str) -> Option<u32> {
    let mut words = line.split(' ');
    if words.next()? != name {
        return None;
    }
    for label in ["id", "type", "key", "value"] {
        labelled(&mut words, label)?;
    }
    labelled(&mut words, "entries")
}

fn labelled<'a>(words: &mut impl Iterator<Item = &'a str>, label: &str) -> Option<u32> {
    if words.next()? != label {
        return None;
    }
    words.next()?.parse().ok()
}

/// A change of `local_ips`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalIpChange {
    /// Adds the local IP or changes its pool or ports.
    Set(LocalIp, PortRange),
    Remove(IpAddr),
}

impl LocalIpChange {
    pub(super) fn line(&self) -> String {
        match self {
            LocalIpChange::Set(LocalIp { pool, address }, ports) => {
                format!("+ {pool} {address} {ports}\n")
            }
            LocalIpChange::Remove(address) => format!("- {address}\n"),
        }
    }
}

/// A change of `services`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FullNatChange {
    /// Adds or changes the service.
    Set(ServiceKey, FullNat),
    Remove(ServiceKey),
}

impl FullNatChange {
    pub(super) fn line(&self) -> String {
        match self {
            FullNatChange::Set(key, full_nat) => {
                format!("+ {} {}\n", service_name(key), pool_and_option(full_nat))
            }
            FullNatChange::Remove(key) => format!("- {}\n", service_name(key)),
        }
    }
}

/// Formats "default" or "default toa".
fn pool_and_option(full_nat: &FullNat) -> String {
    match full_nat.client_address {
        Some(way) => format!("{} {way}", full_nat.pool),
        None => full_nat.pool.clone(),
    }
}

/// Formats "tcp 10.0.0.1:80" or "fwmark 7".
fn service_name(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address } => format!("{protocol} {address}"),
        ServiceKey::Fwmark {
            mark,
            family: Family::Ipv4,
        } => format!("fwmark {mark}"),
        ServiceKey::Fwmark {
            mark,
            family: Family::Ipv6,
        } => format!("fwmark6 {mark}"),
    }
}

#[cfg(test)]
mod tests;
