// SPDX-License-Identifier: GPL-2.0-only
//! What the maps of this build look like. Programs load with any map in the
//! place of theirs, and would read and write past the ends of its values.

use std::fmt;

use aya::maps::{MapInfo, MapType};

use super::Error;
use super::abi::{self, Service, Session4, Session6, Tuple4, Tuple6};
use super::object::{COUNTERS, SERVICES, SESSIONS4, SESSIONS6};

/// `BPF_F_NO_PREALLOC` (linux/bpf.h).
const NO_PREALLOC: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    kind: MapType,
    key: usize,
    value: usize,
    flags: u32,
    /// At least.
    entries: usize,
}

impl Shape {
    fn of(name: &str) -> Option<Self> {
        let hash = |key, value| Shape {
            kind: MapType::Hash,
            key,
            value,
            flags: NO_PREALLOC,
            entries: 2,
        };
        let array = |kind, value, entries| Shape {
            kind,
            key: size_of::<u32>(),
            value,
            flags: 0,
            entries,
        };
        Some(match name {
            SESSIONS4 => hash(size_of::<Tuple4>(), size_of::<Session4>()),
            SESSIONS6 => hash(size_of::<Tuple6>(), size_of::<Session6>()),
            SERVICES => array(MapType::Array, size_of::<Service>(), abi::SERVICES),
            COUNTERS => array(MapType::PerCpuArray, size_of::<u64>(), abi::COUNTERS_ROOM),
            _ => return None,
        })
    }

    /// Whether a map that is there can be one of this build.
    pub(super) fn check(name: &'static str, info: &MapInfo) -> Result<(), Error> {
        let needed = Shape::of(name).ok_or(Error::Missing(name))?;
        let number = |size: u32| usize::try_from(size).unwrap_or(usize::MAX);
        let found = Shape {
            kind: info
                .map_type()
                .map_err(|source| Error::Map { name, source })?,
            key: number(info.key_size()),
            value: number(info.value_size()),
            flags: info.map_flags(),
            entries: number(info.max_entries()),
        };
        if found.entries >= needed.entries
            && found
                == (Shape {
                    entries: found.entries,
                    ..needed
                })
        {
            return Ok(());
        }
        Err(Error::Shape {
            name,
            found,
            needed,
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} of {} to {} bytes, flags {:#x}, {} entries",
            self.kind, self.key, self.value, self.flags, self.entries
        )
    }
}
