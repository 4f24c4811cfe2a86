// SPDX-License-Identifier: GPL-2.0-only
//! The running receiver. Its maps and the links that attach its programs to the root
//! cgroup are pinned. They are in a folder of the network namespace whose file enabled
//! it. The receiver serves the sockets of all namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;

use aya::maps::{Map, MapData, MapInfo};

use super::abi::{AddressBe, Client, Counts, Prefix, Trusted, Tuple};
use super::counters::{LOCAL_IPS, STRANGERS, TOTALS, by_address, totals};
use super::object::{CLIENTS, LINKS, Loaded, MPTCP, OBJECT, load_pinned};
use super::trust::{TRUST, set_trust, trust};
use super::{Error, cgroup};
use crate::datapath::{Build, Pins};
use crate::model::{Network, Toa};

/// The maps with the sizes of their keys and values. A pinned map of another size comes
/// from another build and is not reused.
const MAPS: [(&str, usize, usize); 6] = [
    (TRUST, 4 + size_of::<Prefix>(), size_of::<Trusted>()),
    (CLIENTS, size_of::<i32>(), size_of::<Client>()),
    (MPTCP, size_of::<Tuple>(), size_of::<Client>()),
    (LOCAL_IPS, size_of::<AddressBe>(), size_of::<Counts>()),
    (STRANGERS, size_of::<AddressBe>(), size_of::<Counts>()),
    (TOTALS, size_of::<u32>(), size_of::<u64>()),
];

/// The counts of the receiver.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    pub totals: Counts,
    /// By trusted source address.
    pub local_ips: BTreeMap<IpAddr, Counts>,
    /// By untrusted source address, for recent connections that had the option.
    pub strangers: BTreeMap<IpAddr, Counts>,
}

fn build() -> Build {
    Build::of(OBJECT)
}

/// The running receiver of the caller's network namespace.
pub fn observe() -> Result<Toa, Error> {
    let pins = Pins::of_receiver()?;
    if !pins.exist() {
        return Ok(Toa::default());
    }
    let is_whole = missing(&pins).next().is_none();
    let trusted = match is_whole {
        true => trust(&map(&pins, TRUST)?)?,
        false => BTreeSet::new(),
    };
    Ok(Toa {
        // A receiver that trusts no address counts as absent.
        other_build: !is_whole || !build().is_of(&pins) || trusted.is_empty(),
        trust: trusted,
    })
}

fn missing(pins: &Pins) -> impl Iterator<Item = &'static str> {
    let maps = MAPS.map(|(name, ..)| name);
    let names = LINKS.into_iter().chain(maps);
    names.filter(|name| !pins.path(name).exists())
}

/// The pins that are missing. Empty if no receiver is running.
pub fn missing_pins() -> Result<Vec<&'static str>, Error> {
    let pins = Pins::of_receiver()?;
    match pins.exist() {
        true => Ok(missing(&pins).collect()),
        false => Ok(Vec::new()),
    }
}

/// The counts. `None` if no receiver is running.
pub fn counted() -> Result<Option<Counted>, Error> {
    let pins = Pins::of_receiver()?;
    if ![TOTALS, LOCAL_IPS, STRANGERS]
        .iter()
        .all(|name| pins.path(name).exists())
    {
        return Ok(None);
    }
    Ok(Some(Counted {
        totals: totals(&map(&pins, TOTALS)?)?,
        local_ips: by_address(LOCAL_IPS, &map(&pins, LOCAL_IPS)?)?,
        strangers: by_address(STRANGERS, &map(&pins, STRANGERS)?)?,
    }))
}

fn map(pins: &Pins, name: &'static str) -> Result<Map, Error> {
    let fail = |source| Error::Map { name, source };
    let data = MapData::from_pin(pins.path(name)).map_err(fail)?;
    Map::from_map_data(data).map_err(fail)
}

/// Starts the receiver, or updates it, to trust these networks. Programs of another build
/// are replaced. For a moment both are attached with the same maps, so that no connection
/// is missed. If an update fails half way, the next run repeats it. If a start fails, the
/// receiver is stopped.
pub fn run(networks: &BTreeSet<Network>) -> Result<(), Error> {
    let pins = Pins::of_receiver()?;
    if build().is_of(&pins) && !observe()?.other_build {
        return set_trust(&mut map(&pins, TRUST)?, networks);
    }
    let begins = !pins.exist();
    let result = replace(&pins, networks);
    if result.is_err() && begins {
        // The first error is the one to report.
        let _ = pins.remove();
    }
    result
}

fn replace(pins: &Pins, networks: &BTreeSet<Network>) -> Result<(), Error> {
    pins.make()?;
    Build::unmark(pins)?;
    for (name, key, value) in MAPS {
        let fits = MapInfo::from_pin(pins.path(name)).is_ok_and(|info| {
            (info.key_size() as usize, info.value_size() as usize) == (key, value)
        });
        if !fits {
            pins.unpin(name)?;
        }
    }
    let maps = MAPS.map(|(name, ..)| (name, pins.path(name)));
    let mut loaded: Loaded = load_pinned(&maps)?;
    loaded.set_trust(networks)?;
    let links = loaded.attach(&cgroup::open()?)?;
    let next = |name: &str| pins.path(&format!("next-{name}"));
    for (name, (_, link)) in LINKS.iter().zip(links) {
        pins.unpin(&format!("next-{name}"))?;
        let path = next(name);
        link.pin(&path)
            .map_err(|source| Error::Pin { path, source })?;
    }
    // Removing the pin frees the last link of an older program.
    for name in LINKS {
        let path = pins.path(name);
        fs::rename(next(name), &path).map_err(|source| Error::File { path, source })?;
    }
    build().mark(pins)?;
    Ok(())
}

/// Detaches the programs and forgets every address. Returns true if a receiver was
/// running.
pub fn stop() -> Result<bool, Error> {
    let pins = Pins::of_receiver()?;
    let ran = pins.exist();
    pins.remove()?;
    Ok(ran)
}
