// SPDX-License-Identifier: GPL-2.0-only
//! The addresses of this host: those of its interfaces, and the destinations in the routing
//! table `local`, single addresses or whole networks (`ip route add local 10.0.0.0/24 dev
//! lo`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Error;
use crate::rtnetlink::{self, LocalDestination};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAddresses {
    /// The first address of each network, by prefix length. IPv4 and IPv6 share lengths
    /// but not addresses.
    networks: BTreeMap<u8, BTreeSet<IpAddr>>,
    /// The addresses of interfaces.
    assigned: BTreeSet<IpAddr>,
}

impl LocalAddresses {
    /// Reads the addresses of the caller's network namespace.
    pub fn observe() -> Result<Self, Error> {
        let mut addresses = LocalAddresses::default();
        for destination in rtnetlink::local_destinations().map_err(Error::LocalRoutes)? {
            let LocalDestination {
                address,
                length,
                is_kernels,
            } = destination;
            addresses.add(address, length);
            if is_kernels {
                addresses.assigned.insert(address);
            }
        }
        Ok(addresses)
    }

    fn add(&mut self, address: IpAddr, length: u8) {
        let networks = self.networks.entry(length).or_default();
        networks.insert(network(address, length));
    }

    /// The addresses of interfaces.
    pub fn assigned(&self) -> impl Iterator<Item = IpAddr> {
        self.assigned.iter().copied()
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|(length, networks)| networks.contains(&network(address, *length)))
    }

    /// True if the module keeps a local IP away from the ports of this host's sockets
    /// (`kmod/session/host_ports.c: is_own()`). For IPv4 this is any local address, for
    /// IPv6 only an address of an interface.
    pub fn shares_ports(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.contains(address),
            IpAddr::V6(_) => self.assigned.contains(&address),
        }
    }
}

/// Single addresses count as addresses of interfaces.
impl FromIterator<(IpAddr, u8)> for LocalAddresses {
    fn from_iter<T: IntoIterator<Item = (IpAddr, u8)>>(destinations: T) -> Self {
        let mut addresses = LocalAddresses::default();
        for (address, length) in destinations {
            addresses.add(address, length);
            if matches!(
                (address, length),
                (IpAddr::V4(_), 32) | (IpAddr::V6(_), 128)
            ) {
                addresses.assigned.insert(address);
            }
        }
        addresses
    }
}

/// The address with all bits after the prefix cleared.
fn network(address: IpAddr, length: u8) -> IpAddr {
    let host_bits = |bits: u32| bits.saturating_sub(length.into());
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(host_bits(32)).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(host_bits(128)).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_local_by_itself_or_with_its_network() {
        let addresses: LocalAddresses = [
            ("10.0.0.1", 32),
            ("10.1.0.0", 16),
            ("fd00::1", 128),
            ("fd01::", 64),
        ]
        .map(|(address, length)| (address.parse().unwrap(), length))
        .into_iter()
        .collect();
        for (address, local) in [
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("10.1.255.255", true),
            ("10.2.0.0", false),
            ("fd00::1", true),
            ("fd00::2", false),
            ("fd01::2", true),
            ("fd01:0:0:1::", false),
        ] {
            assert_eq!(
                addresses.contains(address.parse().unwrap()),
                local,
                "{address}"
            );
        }
    }

    #[test]
    fn an_ipv6_address_that_is_only_routed_here_shares_no_ports() {
        let routed = [("10.1.0.0", 16), ("fd01::", 64), ("fd00::1", 128)];
        let addresses: LocalAddresses = routed
            .map(|(address, length)| (address.parse().unwrap(), length))
            .into_iter()
            .collect();
        let shares = |address: &str| addresses.shares_ports(address.parse().unwrap());
        assert!(shares("10.1.2.3") && shares("fd00::1"));
        assert!(!shares("fd01::2") && !shares("10.2.0.1"));
    }

    #[test]
    fn a_route_to_everything_is_of_its_family_alone() {
        let everything = ("0.0.0.0".parse().unwrap(), 0);
        let addresses: LocalAddresses = [everything].into_iter().collect();
        assert!(addresses.contains("10.0.0.1".parse().unwrap()));
        assert!(!addresses.contains("fd00::1".parse().unwrap()));
    }
}
