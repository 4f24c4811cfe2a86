// SPDX-License-Identifier: GPL-2.0-only
//! The counters of the programs: the per-CPU array map `counters`.

use aya::maps::{Map, MapData, PerCpuArray};

use super::abi::Counter;
use super::object::COUNTERS;
use super::{Error, Pins};

/// Every counter, summed over the CPUs. Empty if the map is not pinned.
pub fn counters() -> Result<Vec<(Counter, u64)>, Error> {
    let path = Pins::of_this_namespace()?.path(COUNTERS);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let fail = |source| Error::Map {
        name: COUNTERS,
        source,
    };
    let map = Map::PerCpuArray(MapData::from_pin(path).map_err(fail)?);
    let map = PerCpuArray::<_, u64>::try_from(map).map_err(fail)?;
    Counter::ALL
        .iter()
        .map(|counter| {
            let values = map.get(&(*counter as u32), 0).map_err(fail)?;
            Ok((*counter, values.iter().sum()))
        })
        .collect()
}
