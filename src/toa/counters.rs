// SPDX-License-Identifier: GPL-2.0-only
//! The receiver's counters, in connections: all in `toa_totals`, by source address in
//! `toa_local_ips` (trusted) and `toa_strangers` (untrusted).

use std::collections::BTreeMap;
use std::net::IpAddr;

use aya::maps::{HashMap, Map, MapData, MapError, PerCpuArray};

use super::Error;
use super::abi::{AddressBe, Counts, Outcome, from_map};

pub(super) const TOTALS: &str = "toa_totals";
pub(super) const LOCAL_IPS: &str = "toa_local_ips";
pub(super) const STRANGERS: &str = "toa_strangers";

/// The totals over all addresses and CPUs.
pub fn totals(map: &Map) -> Result<Counts, Error> {
    let fail = |source| Error::Map {
        name: TOTALS,
        source,
    };
    let map = PerCpuArray::<&MapData, u64>::try_from(map).map_err(fail)?;
    let mut totals = Counts::default();
    for (outcome, total) in Outcome::ALL.iter().zip(&mut totals.count) {
        let values = map.get(&(*outcome as u32), 0).map_err(fail)?;
        *total = values.iter().sum();
    }
    Ok(totals)
}

/// The counts of one of the two maps by address.
pub fn by_address(name: &'static str, map: &Map) -> Result<BTreeMap<IpAddr, Counts>, Error> {
    let fail = |source| Error::Map { name, source };
    let map = HashMap::<&MapData, AddressBe, Counts>::try_from(map).map_err(fail)?;
    let mut found = BTreeMap::new();
    for key in map.keys() {
        let key = key.map_err(fail)?;
        match map.get(&key, 0) {
            Ok(counts) => {
                found.insert(from_map(key), counts);
            }
            // The entry was evicted in the meantime.
            Err(MapError::KeyNotFound) => {}
            Err(source) => return Err(fail(source)),
        }
    }
    Ok(found)
}
