// SPDX-License-Identifier: GPL-2.0-only
//! Tells which build the pinned programs belong to: a folder among the pins has the hash
//! of the object in its name. (The kernel's tag of a program is not used: it is computed
//! differently from Linux 6.18 on, and it is known only after loading.)

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use super::object::{COUNTERS, INGRESS, OBJECT, XDP};
use super::{Error, Pins};

const PREFIX: &str = "build-";

/// An object, identified by the name of its folder.
pub(crate) struct Build(String);

impl Build {
    /// The standard library of another compiler may hash differently. Then the same
    /// programs count as another build and are replaced once.
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

    /// Removes the mark. While the pins change, they belong to no build.
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

/// True if there are pins and the programs are those of this build.
pub fn is_this(pins: &Pins) -> bool {
    Build::of(OBJECT).is_of(pins) && is_pinned(pins)
}

/// True if the programs and the counters are pinned, of any build. Other tools can remove
/// pins, and the programs work without them.
pub fn is_pinned(pins: &Pins) -> bool {
    [INGRESS, XDP, COUNTERS]
        .iter()
        .all(|name| pins.path(name).exists())
}

pub(super) fn mark(pins: &Pins) -> Result<(), Error> {
    Build::of(OBJECT).mark(pins)
}

pub(super) fn unmark(pins: &Pins) -> Result<(), Error> {
    Build::unmark(pins)
}
