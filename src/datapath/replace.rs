// SPDX-License-Identifier: GPL-2.0-only
//! The programs of this build in the place of another's, or session maps of
//! another size, while sessions live (`kmod/succession.c`).
//!
//! The order is what makes it safe to stop anywhere: the next maps have every
//! entry before a program uses them, and the old ones until none does. Another
//! run finds the maps that wait to take over, and goes on from there.

use std::fs;
use std::io;
use std::path::Path;

use aya::maps::{MapData, MapInfo};

use super::object::{
    COUNTERS, EGRESS, INGRESS, OBJECT, PROGRAMS, SERVICES, SESSIONS4, SESSIONS6, descriptor,
    loader, pin_programs,
};
use super::shape::Shape;
use super::{Error, Pins, attach, build};
use crate::kmod::proc::{self, RegisteredMaps};

/// Where what comes is pinned until it has taken over.
const NEXT: [(&str, &str); 4] = [
    (INGRESS, "next-ipvs_ingress"),
    (EGRESS, "next-ipvs_egress"),
    (SESSIONS4, "next-sessions4"),
    (SESSIONS6, "next-sessions6"),
];

fn next(name: &'static str) -> &'static str {
    let found = NEXT.iter().find(|(known, _)| *known == name);
    found.map_or(name, |(_, next)| next)
}

/// Afterwards the programs at every interface are those of this build, and the
/// maps have room for so many sessions.
pub fn replace(pins: &Pins, max_sessions: u32) -> Result<(), Error> {
    // Two entries a session.
    let entries = max_sessions.saturating_mul(2);
    pins.make()?;
    // Somewhere there may be programs that use these maps, and none other.
    if let Some(waiting) = registered()?.next
        && waiting.entries != entries
    {
        replace_with(pins, waiting.entries)?;
    }
    replace_with(pins, entries)
}

fn registered() -> Result<RegisteredMaps, Error> {
    proc::registered_maps()?.ok_or(Error::NoMaps)
}

fn replace_with(pins: &Pins, entries: u32) -> Result<(), Error> {
    let running = registered()?;
    let same = running.next.is_none() && running.sessions4_entries == entries;
    if let Err(error) = load(pins, &running, same, entries) {
        // The module keeps what it had, and nothing else is to stay. The first
        // error is the one to report.
        for (_, pin) in NEXT {
            let _ = unpin(&pins.path(pin));
        }
        return Err(error);
    }

    for interface in attach::interfaces_with_leftovers()? {
        match attach::put(&interface, |name| pins.path(next(name))) {
            // It went meanwhile.
            Err(Error::NoInterface(_)) => {}
            result => result?,
        }
    }
    build::unmark(pins)?;
    for (name, pin) in NEXT {
        if !same || PROGRAMS.contains(&name) {
            let (from, to) = (pins.path(pin), pins.path(name));
            fs::rename(&from, &to).map_err(Error::file(to))?;
        }
    }
    if !same {
        proc::commit_maps()?;
    }
    build::mark(pins)
}

/// Loads and pins what comes, and has the module fill the maps that are to take
/// over. `same`: the session maps stay.
fn load(pins: &Pins, running: &RegisteredMaps, same: bool, entries: u32) -> Result<(), Error> {
    let session_pin = |name| if same { name } else { next(name) };
    if same {
        pin_map(pins, SESSIONS4, SESSIONS4, running.sessions4)?;
        pin_map(pins, SESSIONS6, SESSIONS6, running.sessions6)?;
    } else if let Some(waiting) = running.next {
        pin_map(pins, SESSIONS4, next(SESSIONS4), waiting.sessions4)?;
        pin_map(pins, SESSIONS6, next(SESSIONS6), waiting.sessions6)?;
    } else {
        unpin(&pins.path(next(SESSIONS4)))?;
        unpin(&pins.path(next(SESSIONS6)))?;
    }
    pin_map(pins, SERVICES, SERVICES, running.services)?;
    if pins.path(COUNTERS).exists() {
        Shape::check(COUNTERS, &info(COUNTERS, &pins.path(COUNTERS))?)?;
    }

    // What is pinned is used, and what is not is created and pinned.
    let mut object = loader()
        .map_max_entries(SESSIONS4, entries)
        .map_max_entries(SESSIONS6, entries)
        .map_pin_path(SESSIONS4, pins.path(session_pin(SESSIONS4)))
        .map_pin_path(SESSIONS6, pins.path(session_pin(SESSIONS6)))
        .map_pin_path(SERVICES, pins.path(SERVICES))
        .map_pin_path(COUNTERS, pins.path(COUNTERS))
        .load(OBJECT)?;
    for name in PROGRAMS {
        unpin(&pins.path(next(name)))?;
    }
    pin_programs(&mut object, pins, next)?;
    proc::register_maps(
        descriptor(&object, SESSIONS4)?,
        descriptor(&object, SESSIONS6)?,
        descriptor(&object, SERVICES)?,
    )?;
    Ok(())
}

/// Makes sure that the pin is that of a map that the module has, and that its
/// shape is what the programs expect.
fn pin_map(pins: &Pins, name: &'static str, pin: &str, id: u32) -> Result<(), Error> {
    let path = pins.path(pin);
    if !info(name, &path).is_ok_and(|info| info.id() == id) {
        unpin(&path)?;
        let map = MapData::from_id(id).map_err(|source| Error::Map { name, source })?;
        map.pin(&path).map_err(|source| Error::Pin {
            path: path.clone(),
            source,
        })?;
    }
    Shape::check(name, &info(name, &path)?)
}

fn info(name: &'static str, path: &Path) -> Result<MapInfo, Error> {
    MapInfo::from_pin(path).map_err(|source| Error::Map { name, source })
}

fn unpin(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(error)),
        _ => Ok(()),
    }
}
