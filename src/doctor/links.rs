// SPDX-License-Identifier: GPL-2.0-only
//! Interfaces with their addresses and neighbours.

use std::net::IpAddr;

#[derive(Clone, Debug, Default)]
pub struct Links {
    pub links: Vec<Link>,
    pub addresses: Vec<Address>,
    pub neighbours: Vec<Neighbour>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub up: bool,
    /// True if the interface has a carrier.
    pub carrier: bool,
    pub mtu: u32,
    /// `ARPHRD_ETHER`
    pub ethernet: bool,
    /// True if the device merges the segments that it receives (LRO).
    pub merges: bool,
    /// The link-layer address.
    pub hardware: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub link: u32,
    pub address: IpAddr,
    pub length: u8,
    /// True if another host also uses the address.
    pub duplicate: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub link: u32,
    pub address: IpAddr,
    /// True if the neighbour answered, false if it did not. Other states are
    /// left out.
    pub answers: bool,
}

impl Links {
    pub fn by_index(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Returns the interface whose network contains an address.
    pub fn on_link(&self, address: IpAddr) -> Option<u32> {
        let near = |own: &&Address| in_network(address, own.address, own.length);
        self.addresses.iter().find(near).map(|own| own.link)
    }
}

fn in_network(address: IpAddr, network: IpAddr, length: u8) -> bool {
    match (address, network) {
        // A network of one address has no neighbours.
        (IpAddr::V4(_), IpAddr::V4(_)) if length >= 32 => false,
        (IpAddr::V6(_), IpAddr::V6(_)) if length >= 128 => false,
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(length)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).leading_zeros() >= u32::from(length)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_near_in_the_network_of_another_and_not_by_itself() {
        let near = |address: &str, network: &str, length| {
            in_network(address.parse().unwrap(), network.parse().unwrap(), length)
        };
        assert!(near("10.2.0.9", "10.2.0.1", 24));
        assert!(!near("10.2.1.9", "10.2.0.1", 24));
        assert!(!near("10.2.0.1", "10.2.0.1", 32));
        assert!(near("fd00:2::9", "fd00:2::1", 64));
        assert!(!near("fd00:2::9", "10.2.0.1", 0));
        assert!(near("10.2.0.9", "1.1.1.1", 0));
    }
}
