// SPDX-License-Identifier: GPL-2.0-only
//! The networks that the receiver trusts: the longest-prefix map `toa_trust`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Map, MapData, MapError};

use super::Error;
use super::abi::{Prefix, Trusted, from_map, to_map};
use crate::model::{Family, Network};

pub(super) const TRUST: &str = "toa_trust";
/// The number of bits before the address in the key.
const FAMILY: u32 = 32;
/// The number of bits before an IPv4 address that is mapped into IPv6.
const MAPPED: u32 = 96;

fn fail(source: MapError) -> Error {
    Error::Map {
        name: TRUST,
        source,
    }
}

/// The number of the family, and the number of bits before its addresses.
fn family(address: IpAddr) -> (u32, u32) {
    match address {
        IpAddr::V4(_) => (4, FAMILY + MAPPED),
        IpAddr::V6(_) => (6, FAMILY),
    }
}

fn key(network: Network) -> Key<Prefix> {
    let (family, before) = family(network.address);
    let prefix = Prefix {
        family,
        address_be: to_map(network.address),
    };
    Key::new(before + u32::from(network.length), prefix)
}

/// `None` for an entry that this tool does not write.
fn network(key: Key<Prefix>) -> Option<Network> {
    let address = from_map(key.data().address_be);
    let (_, before) = family(address);
    let length = key.prefix_len().checked_sub(before)?;
    let longest = Family::of(address).bits();
    (length <= longest.into()).then(|| Network::containing(address, length as u8))
}

/// The networks of the map.
pub fn trust(map: &Map) -> Result<BTreeSet<Network>, Error> {
    let map = LpmTrie::<&MapData, Prefix, Trusted>::try_from(map).map_err(fail)?;
    let keys: Result<Vec<_>, _> = map.keys().collect();
    Ok(keys
        .map_err(fail)?
        .into_iter()
        .filter_map(network)
        .collect())
}

/// Replaces the networks of the map. A network that is in both sets stays trusted all the
/// time.
pub fn set_trust(map: &mut Map, wanted: &BTreeSet<Network>) -> Result<(), Error> {
    let mut map = LpmTrie::<&mut MapData, Prefix, Trusted>::try_from(map).map_err(fail)?;
    let keys: Result<Vec<_>, _> = map.keys().collect();
    let there = keys.map_err(fail)?;
    for network in wanted {
        map.insert(&key(*network), Trusted::default(), 0)
            .map_err(fail)?;
    }
    for key in there {
        if network(key).is_none_or(|network| !wanted.contains(&network)) {
            map.remove(&key).map_err(fail)?;
        }
    }
    Ok(())
}
