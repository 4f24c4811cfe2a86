// SPDX-License-Identifier: GPL-2.0-only
//! Which build the pinned programs are of: a folder among the pins has the hash
//! of the object in its name. (The kernel's tag of a program would do, but it is
//! computed otherwise from 6.18 on, and known only after loading.)

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use super::object::{COUNTERS, INGRESS, OBJECT};
use super::{Error, Pins};

const PREFIX: &str = "build-";

/// An object, by the name of its folder.
pub(crate) struct Build(String);

impl Build {
    /// Another compiler's library may hash otherwise; then the same programs are
    /// taken for another build's, and replaced once.
    pub fn of(object: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        object.hash(&mut hasher);
        Build(format!("{PREFIX}{:016x}", hasher.finish()))
    }

    pub fn is_of(&self, pins: &Pins) -> bool {
        pins.path(&self.0).exists()
    }

    pub fn mark(&self, pins: &Pins) -> Result<(), Error> {
        let path = pins.path(&self.0);
        fs::create_dir_all(&path).map_err(Error::file(path))
    }

    /// While the pins change they are of no build.
    pub fn unmark(pins: &Pins) -> Result<(), Error> {
        let entries = match fs::read_dir(pins.folder()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(Error::file(pins.folder()))?,
        };
        for entry in entries {
            let entry = entry.map_err(Error::file(pins.folder()))?;
            let is_mark = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(PREFIX));
            if is_mark {
                fs::remove_dir(entry.path()).map_err(Error::file(entry.path()))?;
            }
        }
        Ok(())
    }
}

/// There are pins, and the programs are those of this build.
pub fn is_this(pins: &Pins) -> bool {
    Build::of(OBJECT).is_of(pins) && is_pinned(pins)
}

/// Programs and counters are pinned, of whatever build. They work without pins too:
/// other tools can remove pins.
pub fn is_pinned(pins: &Pins) -> bool {
    [INGRESS, COUNTERS]
        .iter()
        .all(|name| pins.path(name).exists())
}

pub(super) fn mark(pins: &Pins) -> Result<(), Error> {
    Build::of(OBJECT).mark(pins)
}

pub(super) fn unmark(pins: &Pins) -> Result<(), Error> {
    Build::unmark(pins)
}
