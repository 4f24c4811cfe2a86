// SPDX-License-Identifier: GPL-2.0-only
//! The text of the module's proc files: what the kernel prints, and what it
//! reads (`kmod/services.c`, `local_ips.c`, `maps.c`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::model::{LocalIp, Network, PortRange, Protocol, Rule, ServiceKey, Timeout};

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
    /// `None`: no longer configured, but sessions live.
    pub pool: Option<String>,
    pub sessions: u32,
    /// A rule of the module made it, for a service that another program put into IPVS.
    pub by_rule: bool,
}

impl FullNatLine {
    /// Configured by itself: neither by a rule, nor left over with its sessions.
    pub fn is_listed(&self) -> bool {
        self.pool.is_some() && !self.by_rule
    }
}

/// The maps that are registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredMaps {
    /// How many each family has; one a session.
    pub sets: u32,
}

/// By the names of the protocols.
const UNANSWERED: [(&str, Timeout); 3] = [
    ("tcp", Timeout::TcpUnanswered),
    ("udp", Timeout::UdpUnanswered),
    ("sctp", Timeout::SctpUnanswered),
];

/// "tcp 10"
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

/// "default 10.2.0.1 1024-65535 sessions 0"
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

/// "tcp 10.0.0.1:80 default sessions 0", "udp [fd00::1]:53 … sessions 3 rule"
pub(super) fn full_nat(line: &str) -> Option<FullNatLine> {
    let mut words = line.split(' ');
    let protocol = protocol(words.next()?)?;
    let address: SocketAddr = words.next()?.parse().ok()?;
    let pool = words.next()?;
    // Versions before 0.2 have `id ID` between the two.
    let (_, end) = line.rsplit_once(" sessions ")?;
    let sessions = end.strip_suffix(" rule");
    let by_rule = sessions.is_some();
    let sessions = sessions.unwrap_or(end);
    Some(FullNatLine {
        key: ServiceKey::Address { protocol, address },
        pool: (pool != "-").then(|| pool.to_owned()),
        sessions: sessions.parse().ok()?,
        by_rule,
    })
}

/// "10.0.0.0/24,10.0.1.0/24 tcp,udp 80,443-444 eth0 default services 3"; "*" is all.
pub(super) fn rule(line: &str) -> Option<(Rule, String)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [
        networks,
        protocols,
        ports,
        interfaces,
        pool,
        "services",
        count,
    ] = words[..]
    else {
        return None;
    };
    count.parse::<u32>().ok()?;
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
    Some((rule, pool.to_owned()))
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

/// All rules as one write.
pub(super) fn rules(rules: &BTreeMap<Rule, String>) -> String {
    if rules.is_empty() {
        return "none\n".to_owned();
    }
    let line = |(rule, pool): (&Rule, &String)| {
        let or_all = |list: Option<String>| list.unwrap_or_else(|| "*".to_owned());
        format!(
            "{} {} {} {} {pool}\n",
            rule.network_list(),
            or_all(rule.protocol_list()),
            or_all(rule.port_list()),
            or_all(rule.interface_list())
        )
    };
    rules.iter().map(line).collect()
}

/// "flows4 id 2 type 2 key 4 value 328 entries 65536", then "flows6 …" and "control …";
/// `Ok(None)`: nothing is registered. `Err`: the line that is not understood, or the last one
/// where one is missing.
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

/// The entries of the map of that name.
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
    /// Added, or its pool or ports changed.
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
    /// Added, or its pool changed.
    Set(ServiceKey, String),
    Remove(ServiceKey),
}

impl FullNatChange {
    pub(super) fn line(&self) -> String {
        match self {
            FullNatChange::Set(key, pool) => format!("+ {} {pool}\n", words(key)),
            FullNatChange::Remove(key) => format!("- {}\n", words(key)),
        }
    }
}

fn words(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address { protocol, address } => format!("{protocol} {address}"),
        // The module refuses it, and says so.
        ServiceKey::Fwmark { mark, .. } => format!("fwmark {mark}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_that_the_module_prints_is_understood() {
        let line = local_ip("default 10.2.0.1 1024-65535 sessions 3").unwrap();
        assert_eq!(line.local_ip.pool, "default");
        assert_eq!(line.ports.to_string(), "1024-65535");
        assert_eq!(line.sessions, 3);

        let line = full_nat("udp 10.0.0.1:53 - sessions 2").unwrap();
        assert_eq!(line.key.to_string(), "udp://10.0.0.1:53");
        assert_eq!(line.pool, None);

        assert!(!line.is_listed());

        let line = full_nat("tcp 10.0.0.1:80 default sessions 7 rule").unwrap();
        assert_eq!((line.sessions, line.by_rule), (7, true));
        assert!(!line.is_listed());
        let line = full_nat("sctp [fd00::1]:53 default sessions 0").unwrap();
        assert!(line.is_listed());
        assert_eq!(line.key.to_string(), "sctp://[fd00::1]:53");
        let line = local_ip("default fd00:2::100 1024-65535 sessions 3").unwrap();
        assert_eq!(line.local_ip.address.to_string(), "fd00:2::100");

        let text = "10.0.0.0/24,10.1.0.0/16 tcp,udp 80,443-444 eth0,veth* default services 3";
        let (by, pool) = rule(text).unwrap();
        assert_eq!(
            (by.networks.len(), by.ports.len(), &*pool),
            (2, 2, "default")
        );
        let written = rules(&[(by, pool)].into());
        assert_eq!(written, text.replace(" services 3", "\n"));
        let text = "fd00::/64 * * * default services 0";
        let by = rule(text).unwrap();
        assert_eq!(rules(&[by].into()), text.replace(" services 0", "\n"));
        assert_eq!(rules(&BTreeMap::new()), "none\n");

        let lines = [
            "flows4 id 2 type 2 key 4 value 328 entries 65536".to_owned(),
            "flows6 id 3 type 2 key 4 value 520 entries 65536".to_owned(),
            "control id 4 type 2 key 4 value 16 entries 1".to_owned(),
        ];
        assert_eq!(maps(&lines).unwrap().unwrap().sets, 65_536);
    }

    #[test]
    fn strange_lines_are_refused_not_misread() {
        for line in [
            "",
            " ",
            "default",
            "default x 1-2 sessions 0",
            "default 10.0.0.1 1-x sessions 0",
            "default 10.0.0.1 1-2",
        ] {
            assert_eq!(local_ip(line), None, "{line}");
        }
        for line in [
            "",
            "icmp 10.0.0.1:80 p sessions 0",
            "tcp 10.0.0.1 p sessions 0",
            "tcp 10.0.0.1:80 p",
            "tcp 10.0.0.1:80 p sessions rule",
            "tcp 10.0.0.1:80 p sessions 0 rules",
        ] {
            assert_eq!(full_nat(line), None, "{line}");
        }
        for line in [
            "",
            "10.0.0.0/24 * * * default",
            "10.0.0.0 * * * default services 0",
            "10.0.0.0/x * * * default services 0",
            "10.0.0.0/24 icmp * * default services 0",
            "10.0.0.0/24 * 80- * default services 0",
            "10.0.0.0/24 * * * default services 0 x",
        ] {
            assert_eq!(rule(line), None, "{line}");
        }
        for line in ["tcp", "tcp x", "tcp 1 2", "tcp -1", "icmp 1", ""] {
            assert_eq!(unanswered(line), None, "{line}");
        }
        assert_eq!(unanswered("udp 30"), Some((Timeout::UdpUnanswered, 30)));
        assert_eq!(unanswered_line(Timeout::SctpUnanswered, 5), "sctp 5\n");
        assert_eq!(maps(&[]), Ok(None));
        assert_eq!(
            maps(&["flows4 id x".to_owned()]),
            Err("flows4 id x".to_owned())
        );
        // A module of an earlier version.
        let three = ["sessions4", "sessions6", "services"]
            .map(|name| format!("{name} id 2 type 1 key 16 value 16 entries 2"));
        assert_eq!(maps(&three), Err(three[0].clone()));
    }

    #[test]
    fn changes_are_the_lines_that_the_module_reads() {
        let key = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: "10.0.0.1:80".parse().unwrap(),
        };
        assert_eq!(
            FullNatChange::Set(key.clone(), "a".into()).line(),
            "+ tcp 10.0.0.1:80 a\n"
        );
        assert_eq!(FullNatChange::Remove(key).line(), "- tcp 10.0.0.1:80\n");
        let address = "10.2.0.1".parse().unwrap();
        let set = LocalIpChange::Set(
            LocalIp {
                pool: "a".into(),
                address,
            },
            PortRange { first: 1, last: 2 },
        );
        assert_eq!(set.line(), "+ a 10.2.0.1 1-2\n");
        assert_eq!(LocalIpChange::Remove(address).line(), "- 10.2.0.1\n");
    }
}
