// SPDX-License-Identifier: GPL-2.0-only
//! Rules for full NAT of services that other programs add to IPVS.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use super::{Family, Network, PortRange, Protocol, ServiceKey};

/// The destinations that are full NAT, no matter which program made the service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The networks of the virtual addresses. One or more, all of one family.
    pub networks: BTreeSet<Network>,
    /// One or more.
    pub protocols: BTreeSet<Protocol>,
    /// Ascending and without overlaps. Empty: every port.
    pub ports: Vec<PortRange>,
    /// Interfaces where packets come in: names, or prefixes of names followed by `*`.
    /// Empty: all.
    pub interfaces: BTreeSet<String>,
}

impl Rule {
    pub fn family(&self) -> Family {
        let address = self.networks.first().map(|network| network.address);
        address.map_or(Family::Ipv4, Family::of)
    }

    fn has_port(&self, port: u16) -> bool {
        self.ports.is_empty() || self.ports.iter().any(|range| range.contains(port))
    }

    /// True if the address is in one of the networks and `ports` overlaps one of the
    /// ranges.
    pub fn reaches(&self, address: IpAddr, ports: PortRange) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
            && (self.ports.is_empty()
                || self
                    .ports
                    .iter()
                    .any(|range| range.common(ports).count() > 0))
    }

    /// True if the rule applies to the service. A service of every port matches the ports
    /// of any rule. A service by firewall mark is never covered: its addresses are not
    /// known.
    pub fn covers(&self, key: &ServiceKey) -> bool {
        let ServiceKey::Address { protocol, address } = key else {
            return false;
        };
        self.protocols.contains(protocol)
            && (address.port() == 0 || self.has_port(address.port()))
            && self
                .networks
                .iter()
                .any(|network| network.contains(address.ip()))
    }

    /// True if both rules apply to some destination.
    pub fn overlaps(&self, other: &Rule) -> bool {
        !self.protocols.is_disjoint(&other.protocols)
            && ports_overlap(&self.ports, &other.ports)
            && self
                .networks
                .iter()
                .any(|one| other.networks.iter().any(|two| one.overlaps(*two)))
    }
}

fn ports_overlap(one: &[PortRange], two: &[PortRange]) -> bool {
    let meet = |range: &PortRange| two.iter().any(|other| range.common(*other).count() > 0);
    one.is_empty() || two.is_empty() || one.iter().any(meet)
}

fn list<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(",")
}

impl Rule {
    pub fn network_list(&self) -> String {
        list(&self.networks)
    }

    /// `None`: all.
    pub fn protocol_list(&self) -> Option<String> {
        (self.protocols.len() < Protocol::ALL.len()).then(|| list(&self.protocols))
    }

    /// `None`: every port.
    pub fn port_list(&self) -> Option<String> {
        let range = |range: &PortRange| match range {
            PortRange { first, last } if first == last => first.to_string(),
            range => range.to_string(),
        };
        (!self.ports.is_empty()).then(|| list(self.ports.iter().map(range)))
    }

    /// `None`: every interface.
    pub fn interface_list(&self) -> Option<String> {
        (!self.interfaces.is_empty()).then(|| list(&self.interfaces))
    }
}

/// "10.0.0.0/24, tcp,udp, ports 80,443 at eth0".
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.network_list())?;
        if let Some(protocols) = self.protocol_list() {
            write!(f, " {protocols}")?;
        }
        if let Some(ports) = self.port_list() {
            write!(f, " ports {ports}")?;
        }
        match self.interface_list() {
            Some(interfaces) => write!(f, " at {}", interfaces.escape_debug()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::tests::network;
    use super::*;

    fn rule(networks: &[&str], ports: &[(u16, u16)]) -> Rule {
        Rule {
            networks: networks.iter().map(|text| network(text)).collect(),
            protocols: [Protocol::Tcp].into(),
            ports: ports
                .iter()
                .map(|(first, last)| PortRange {
                    first: *first,
                    last: *last,
                })
                .collect(),
            interfaces: BTreeSet::new(),
        }
    }

    #[test]
    fn rules_overlap_where_a_destination_is_in_both() {
        let all = rule(&["10.0.0.0/24"], &[]);
        assert!(all.overlaps(&rule(&["10.0.0.128/25"], &[(80, 80)])));
        assert!(rule(&["0.0.0.0/0"], &[]).overlaps(&all));
        assert!(!all.overlaps(&rule(&["10.0.1.0/24", "fd00::/8"], &[])));
        let web = rule(&["10.0.0.0/24"], &[(80, 80), (443, 443)]);
        assert!(web.overlaps(&rule(&["10.0.0.0/24"], &[(90, 443)])));
        assert!(!web.overlaps(&rule(&["10.0.0.0/24"], &[(81, 442)])));
    }

    #[test]
    fn a_rule_covers_services_by_address_port_and_protocol() {
        let key = |protocol, address: &str| ServiceKey::Address {
            protocol,
            address: address.parse().unwrap(),
        };
        let web = rule(&["10.0.0.0/24"], &[(80, 90)]);
        assert!(web.covers(&key(Protocol::Tcp, "10.0.0.7:85")));
        assert!(web.covers(&key(Protocol::Tcp, "10.0.0.7:0")));
        assert!(!web.covers(&key(Protocol::Udp, "10.0.0.7:85")));
        assert!(!web.covers(&key(Protocol::Tcp, "10.0.0.7:91")));
        assert!(!web.covers(&key(Protocol::Tcp, "10.0.1.7:85")));
        let mark = ServiceKey::Fwmark {
            mark: 1,
            family: Family::Ipv4,
        };
        assert!(!web.covers(&mark));
        assert_eq!(web.to_string(), "10.0.0.0/24 tcp ports 80-90");
    }
}
