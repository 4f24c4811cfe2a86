// SPDX-License-Identifier: GPL-2.0-only
//! Networks of addresses.

use std::fmt;
use std::net::IpAddr;

use super::Family;

/// A network by its first address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network {
    pub address: IpAddr,
    pub length: u8,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Network {
    pub fn contains(self, address: IpAddr) -> bool {
        let differ = bits(self.address) ^ bits(address);
        Family::of(self.address) == Family::of(address)
            && differ.leading_zeros() >= u32::from(self.length)
    }

    pub fn family(self) -> Family {
        Family::of(self.address)
    }

    pub fn overlaps(self, other: Network) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }

    /// The network of this prefix length that contains the address.
    pub fn containing(address: IpAddr, length: u8) -> Self {
        let mask = |of: u32| u128::MAX.checked_shl(of - u32::from(length)).unwrap_or(0);
        let address = match address {
            IpAddr::V4(address) => {
                // Only the lower 32 bits of the mask are used.
                IpAddr::V4((address.to_bits() & mask(32) as u32).into())
            }
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & mask(128)).into()),
        };
        Network { address, length }
    }
}

/// True if each address of the family is in one of the networks.
pub fn are_every_address(networks: impl Iterator<Item = Network> + Clone, family: Family) -> bool {
    let networks = networks.filter(|network| network.family() == family);
    let mut widest = networks.clone().filter(|network| {
        let is_wider = |other: Network| {
            other != *network && other.contains(network.address) && other.length < network.length
        };
        !networks.clone().any(is_wider)
    });
    // These have no address in common, so 2^128 is the size of all of them together.
    let size = |network: Network| 1_u128.checked_shl(128 - u32::from(network.length));
    widest
        .try_fold(0_u128, |sum, network| sum.checked_add(size(network)?))
        .is_none()
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn network(text: &str) -> Network {
        let (address, length) = text.split_once('/').unwrap();
        Network {
            address: address.parse().unwrap(),
            length: length.parse().unwrap(),
        }
    }

    #[test]
    fn a_network_has_the_addresses_of_its_prefix() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(network("10.0.0.0/24").contains(ip("10.0.0.255")));
        assert!(!network("10.0.0.0/24").contains(ip("10.0.1.0")));
        assert!(network("0.0.0.0/0").contains(ip("255.255.255.255")));
        assert!(!network("0.0.0.0/0").contains(ip("::")));
        assert!(network("10.0.0.1/32").contains(ip("10.0.0.1")));
        assert!(!network("10.0.0.1/32").contains(ip("10.0.0.0")));
        assert!(network("fd00::/64").contains(ip("fd00::ffff")));
        assert!(!network("fd00::/64").contains(ip("fd00:0:0:1::")));
        assert_eq!(
            Network::containing(ip("10.0.0.77"), 24),
            network("10.0.0.0/24")
        );
        assert_eq!(
            Network::containing(ip("10.0.0.77"), 0),
            network("0.0.0.0/0")
        );
        assert_eq!(
            Network::containing(ip("10.0.0.77"), 32),
            network("10.0.0.77/32")
        );
        assert_eq!(Network::containing(ip("fd00::1"), 64), network("fd00::/64"));
    }

    #[test]
    fn networks_together_may_be_every_address() {
        let are = |texts: &[&str], family| {
            are_every_address(texts.iter().map(|text| network(text)), family)
        };
        assert!(are(&["0.0.0.0/0"], Family::Ipv4));
        assert!(!are(&["0.0.0.0/0"], Family::Ipv6));
        assert!(are(&["0.0.0.0/1", "128.0.0.0/1"], Family::Ipv4));
        assert!(are(
            &["128.0.0.0/1", "10.0.0.0/8", "64.0.0.0/2", "0.0.0.0/2"],
            Family::Ipv4
        ));
        assert!(!are(
            &["128.0.0.0/1", "10.0.0.0/8", "64.0.0.0/2"],
            Family::Ipv4
        ));
        assert!(!are(
            &["0.0.0.0/1", "10.0.0.0/8", "0.0.0.0/2", "64.0.0.0/2"],
            Family::Ipv4
        ));
        assert!(are(&["::/1", "8000::/1"], Family::Ipv6));
        assert!(!are(&[], Family::Ipv4));
    }
}
