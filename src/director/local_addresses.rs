// SPDX-License-Identifier: GPL-2.0-only
//! Which addresses are this host's: those that the routing table `local` leads
//! to, one by one or by whole networks (`ip route add local 10.0.0.0/24 dev lo`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Error;
use crate::rtnetlink;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAddresses {
    /// The first address of each network, by prefix length. The families have
    /// lengths in common and no address.
    networks: BTreeMap<u8, BTreeSet<IpAddr>>,
}

impl LocalAddresses {
    /// Those of the caller's network namespace.
    pub fn observe() -> Result<Self, Error> {
        let destinations = rtnetlink::local_destinations().map_err(Error::LocalRoutes)?;
        Ok(destinations.into_iter().collect())
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|(length, networks)| networks.contains(&network(address, *length)))
    }
}

impl FromIterator<(IpAddr, u8)> for LocalAddresses {
    fn from_iter<T: IntoIterator<Item = (IpAddr, u8)>>(destinations: T) -> Self {
        let mut addresses = LocalAddresses::default();
        for (address, length) in destinations {
            let networks = addresses.networks.entry(length).or_default();
            networks.insert(network(address, length));
        }
        addresses
    }
}

/// The address without what follows its prefix.
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
    fn a_route_to_everything_is_of_its_family_alone() {
        let everything = ("0.0.0.0".parse().unwrap(), 0);
        let addresses: LocalAddresses = [everything].into_iter().collect();
        assert!(addresses.contains("10.0.0.1".parse().unwrap()));
        assert!(!addresses.contains("fd00::1".parse().unwrap()));
    }
}
