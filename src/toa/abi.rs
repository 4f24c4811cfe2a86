// SPDX-License-Identifier: GPL-2.0-only
//! Keys and values of the receiver's maps: the mirror of `bpf/toa/abi.h`, compared with
//! it by `tests/abi_layout.rs`. Fields named `*_be` are in network byte order, the others
//! in host byte order. IPv4 addresses are mapped into IPv6.

use std::net::{IpAddr, Ipv6Addr};

use aya::Pod;

/// An address in the format of the maps.
pub type AddressBe = [u32; 4];

/// `struct toa_prefix` without its length: a prefix of the longest-prefix map
/// `toa_trust`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// 4 or 6.
    pub family: u32,
    pub address_be: AddressBe,
}

/// `struct toa_trusted`: the value of `toa_trust`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trusted {
    pub pad: u32,
}

/// `struct toa_client`: the value of `toa_clients` and `toa_mptcp`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    pub address_be: AddressBe,
    pub port_be: u16,
    pub pad: u16,
}

/// `struct toa_tuple`: the key of `toa_mptcp`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuple {
    /// The cookie of the network namespace.
    pub netns: u64,
    pub remote_be: AddressBe,
    pub local_be: AddressBe,
    pub remote_port_be: u16,
    pub local_port_be: u16,
    pub pad: u32,
}

/// `struct toa_counts`: the value of `toa_local_ips` and `toa_strangers`. Counts
/// connections by [`Outcome`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub count: [u64; OUTCOMES],
}

/// `TOA_OUTCOMES`.
pub const OUTCOMES: usize = 5;

/// `enum toa_outcome`: the outcome of a connection. It is the index into [`Counts`] and
/// into the map `toa_totals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The server sees the client's address.
    Told = 0,
    /// The connection came from a trusted address, without the option.
    Absent = 1,
    /// It came from a trusted address. The option does not name a client of the
    /// connection's family.
    Malformed = 2,
    /// It had the option but came from an untrusted address.
    Refused = 3,
    /// The kernel had no memory to store the address.
    NoMemory = 4,
}

impl Outcome {
    pub const ALL: [Outcome; OUTCOMES] = [
        Outcome::Told,
        Outcome::Absent,
        Outcome::Malformed,
        Outcome::Refused,
        Outcome::NoMemory,
    ];

    /// Its name in the C header.
    pub fn c_name(self) -> &'static str {
        match self {
            Outcome::Told => "TOA_TOLD",
            Outcome::Absent => "TOA_ABSENT",
            Outcome::Malformed => "TOA_MALFORMED",
            Outcome::Refused => "TOA_REFUSED",
            Outcome::NoMemory => "TOA_NO_MEMORY",
        }
    }

    /// The name without the prefix, in lower case.
    pub fn name(self) -> String {
        let name = self.c_name();
        name.strip_prefix("TOA_").unwrap_or(name).to_lowercase()
    }
}

impl Counts {
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.count.get(outcome as usize).copied().unwrap_or(0)
    }
}

/// Converts an address to the format of the maps.
pub fn to_map(address: IpAddr) -> AddressBe {
    let mapped = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    };
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(mapped.octets().as_chunks().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

/// Converts an address from the format of the maps.
pub fn from_map(words: AddressBe) -> IpAddr {
    let mut octets = [0; 16];
    for (bytes, word) in octets.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_ne_bytes();
    }
    Ipv6Addr::from(octets).to_canonical()
}

// SAFETY: plain integers in C layout, without implicit padding. Every byte pattern is a
// valid value, and no value has uninitialised bytes.
unsafe impl Pod for Prefix {}
// SAFETY: as above.
unsafe impl Pod for Trusted {}
// SAFETY: as above.
unsafe impl Pod for Client {}
// SAFETY: as above.
unsafe impl Pod for Tuple {}
// SAFETY: as above.
unsafe impl Pod for Counts {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_from_the_form_that_maps_have() {
        for text in ["10.2.0.100", "255.255.255.255", "fd00:2::100", "::1"] {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(from_map(to_map(address)), address);
        }
        let words = to_map("1.2.3.4".parse().unwrap());
        assert_eq!(words[2], 0xffff_u32.to_be());
        assert_eq!(words[3].to_ne_bytes(), [1, 2, 3, 4]);
    }
}
