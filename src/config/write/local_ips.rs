// SPDX-License-Identifier: GPL-2.0-only
//! `[local_ips.NAME]`: the addresses of a pool, in as few ranges as possible.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::layout::Block;
use super::value;
use crate::config::{address::MOST_ADDRESSES, pools::PORTS};
use crate::model::{Family, LocalIp, PortRange};

/// Returns a block for each pool, in the order of names.
pub(super) fn pools(
    local_ips: &BTreeMap<LocalIp, PortRange>,
) -> impl Iterator<Item = (&str, Block)> {
    let mut pools: BTreeMap<&str, Pool> = BTreeMap::new();
    for (LocalIp { pool, address }, ports) in local_ips {
        let pool = pools.entry(pool).or_default();
        pool.addresses.insert(*address);
        *pool.ports.entry((ports.first, ports.last)).or_default() += 1;
    }
    pools
        .into_iter()
        .map(|(name, pool)| (name, pool.block(name)))
}

#[derive(Default)]
struct Pool {
    addresses: BTreeSet<IpAddr>,
    /// The number of addresses for each port range.
    ports: BTreeMap<(u16, u16), usize>,
}

impl Pool {
    fn block(self, name: &str) -> Block {
        let mut block = Block::new(format!("[local_ips.{}]", key(name)));
        let ranges = ranges(&self.addresses);
        block.key(
            "addresses",
            value::array(ranges.iter().map(|range| value::string(range))),
        );
        let most = self.ports.iter().max_by_key(|(_, count)| **count);
        let Some((&(first, last), _)) = most else {
            return block;
        };
        if self.ports.len() > 1 {
            block.remark(format!(
                "the kernel has other ports for some of these addresses, which a file cannot \
                 express; `apply` gives all of them {first}-{last}"
            ));
        }
        let ports = PortRange { first, last };
        if ports != PORTS {
            block.key("ports", value::string(&ports.to_string()));
        }
        block
    }
}

/// Quotes the name if necessary. Valid pool names need no quotes; the kernel
/// may have others.
fn key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        value::string(name)
    }
}

/// Returns addresses and prefixes that cover exactly these addresses.
fn ranges(addresses: &BTreeSet<IpAddr>) -> Vec<String> {
    let mut ranges = Vec::new();
    let mut left = addresses.iter().copied().peekable();
    while let Some(first) = left.next() {
        let length = prefix_length(first, addresses);
        let bits = u32::from(Family::of(first).bits());
        if length == bits {
            ranges.push(first.to_string());
            continue;
        }
        ranges.push(format!("{first}/{length}"));
        let last = number(first) | low_bits(bits - length);
        while left
            .next_if(|next| next.is_ipv4() == first.is_ipv4() && number(*next) <= last)
            .is_some()
        {}
    }
    ranges
}

/// Returns the length of the largest prefix that begins at `first` and contains
/// only these addresses.
fn prefix_length(first: IpAddr, addresses: &BTreeSet<IpAddr>) -> u32 {
    let bits = u32::from(Family::of(first).bits());
    let begin = number(first);
    let mut free = 0;
    while free < MOST_ADDRESSES.trailing_zeros() && begin & low_bits(free + 1) == 0 {
        let last = begin | low_bits(free + 1);
        let upper_half = begin + low_bits(free) + 1..=last;
        if !upper_half
            .into_iter()
            .all(|next| addresses.contains(&address(first, next)))
        {
            break;
        }
        free += 1;
    }
    bits - free
}

fn low_bits(count: u32) -> u128 {
    1u128.checked_shl(count).map_or(u128::MAX, |bit| bit - 1)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Converts the number to an address of the same family as `like`.
fn address(like: IpAddr, number: u128) -> IpAddr {
    match like {
        // This is an IPv4 number: only the low 32 bits are set.
        IpAddr::V4(_) => IpAddr::V4((number as u32).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Vec<String> {
        ranges(&texts.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn neighbours_are_merged_into_prefixes_that_hold_nothing_else() {
        assert_eq!(merged(&["10.2.0.1"]), ["10.2.0.1"]);
        assert_eq!(merged(&["10.2.0.1", "10.2.0.2"]), ["10.2.0.1", "10.2.0.2"]);
        assert_eq!(merged(&["10.2.0.2", "10.2.0.3"]), ["10.2.0.2/31"]);
        assert_eq!(
            merged(&[
                "10.2.0.3", "10.2.0.4", "10.2.0.5", "10.2.0.6", "10.2.0.7", "fd00::"
            ]),
            ["10.2.0.3", "10.2.0.4/30", "fd00::"]
        );
        assert_eq!(merged(&["fd00::2", "fd00::3"]), ["fd00::2/127"]);
        assert_eq!(
            merged(&["255.255.255.254", "255.255.255.255", "::"]),
            ["255.255.255.254/31", "::"]
        );
    }

    #[test]
    fn a_whole_pool_is_one_range_and_a_larger_one_is_two() {
        let from = |first: u32, count: u32| {
            let all = (first..first + count).map(|bits| IpAddr::V4(bits.into()));
            ranges(&all.collect())
        };
        assert_eq!(from(0x0a02_0000, 65_536), ["10.2.0.0/16"]);
        assert_eq!(from(0x0a02_0000, 131_072), ["10.2.0.0/16", "10.3.0.0/16"]);
        assert_eq!(from(0x0a02_0000, 17), ["10.2.0.0/28", "10.2.0.16"]);
    }

    #[test]
    fn names_that_are_not_bare_keys_are_quoted() {
        assert_eq!(key("web-1"), "web-1");
        assert_eq!(key("a b"), "\"a b\"");
        assert_eq!(key(""), "\"\"");
    }
}
