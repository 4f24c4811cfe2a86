// SPDX-License-Identifier: GPL-2.0-only
//! The paths where maps and programs are pinned: one folder for each network namespace,
//! `/sys/fs/bpf/ipvs-bpf/<inode of the namespace>/`.
//!
//! Later runs of the CLI and bpftool find the maps and programs by their pins. The pins
//! are not all that keeps them alive: the module holds the maps, and tc filters hold the
//! programs.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::net::if_::{if_nameindex, if_nametoindex};
use nix::sys::statfs::statfs;
use nix::unistd::geteuid;

use super::Error;
use super::live_namespaces;

const MOUNT_POINT: &str = "/sys/fs/bpf";
/// The same path in the mount namespace of the first process. `ip netns exec` mounts a
/// fresh `/sys` without it. A file system that was mounted there would vanish with the
/// command.
const MOUNT_POINT_OF_INIT: &str = "/proc/1/root/sys/fs/bpf";
/// The pins whose names end in the index of an interface: links, and marks of qdiscs.
const OF_INTERFACES: [&str; 3] = ["xdp", "tcx", "clsact"];
/// The prefix before the inode in the name of the receiver's folder.
const RECEIVER: &str = "toa-";
/// `BPF_FS_MAGIC` (linux/magic.h).
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

/// The folder of the caller's network namespace.
#[derive(Clone, Debug)]
pub struct Pins {
    folder: PathBuf,
}

impl Pins {
    /// The pins of the caller's network namespace. Creates nothing.
    pub fn of_this_namespace() -> Result<Self, Error> {
        Pins::named("")
    }

    /// The pins of the receiver of clients' addresses. They have their own lifetime, so
    /// they are in a folder of their own, `toa-<inode>`. Creates nothing.
    pub fn of_receiver() -> Result<Self, Error> {
        Pins::named(RECEIVER)
    }

    fn named(prefix: &str) -> Result<Self, Error> {
        let path = "/proc/thread-self/ns/net";
        let inode = fs::metadata(path).map_err(Error::file(path))?.ino();
        Ok(Pins {
            folder: Path::new(bpf_fs().unwrap_or(MOUNT_POINT))
                .join("ipvs-bpf")
                .join(format!("{prefix}{inode}")),
        })
    }

    /// True if a BPF file system is mounted.
    pub fn has_file_system() -> bool {
        bpf_fs().is_some()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn exist(&self) -> bool {
        self.folder.exists()
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes an empty folder.
    pub(super) fn create(&self) -> Result<(), Error> {
        self.remove()?;
        self.make()
    }

    /// Makes the folder if it does not exist, and mounts the BPF file system.
    pub(crate) fn make(&self) -> Result<(), Error> {
        if bpf_fs().is_none() {
            mount_bpf_fs()?;
        }
        if let Some(parent) = self.folder.parent() {
            make_parent(parent)?;
        }
        fs::create_dir_all(&self.folder).map_err(Error::file(&self.folder))
    }

    /// Removes one pin. If there is none, this is not an error.
    pub(crate) fn unpin(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(error)),
            _ => Ok(()),
        }
    }

    /// Detaches from an interface by its index. If the interface is gone, or goes meanwhile,
    /// programs and qdiscs went with it, and only its pins are left to remove.
    pub(super) fn unless_gone(
        &self,
        interface: &str,
        detach: impl FnOnce(u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let detached = match if_nametoindex(interface) {
            Ok(index) => detach(index),
            Err(_) => Err(Error::NoInterface(interface.to_owned())),
        };
        match detached {
            Err(_) if if_nametoindex(interface).is_err() => self.forget_removed_interfaces(),
            detached => detached,
        }
    }

    /// Removes the pins that have the index of an interface which this namespace no longer
    /// has. The link of a removed interface holds the program, and that holds its maps.
    pub(super) fn forget_removed_interfaces(&self) -> Result<(), Error> {
        let mut pins = Vec::new();
        let folder = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folder => folder.map_err(Error::file(&self.folder))?,
        };
        for pin in folder {
            let pin = pin.map_err(Error::file(&self.folder))?;
            let name = pin.file_name();
            let index = name.to_str().and_then(|name| name.split_once('-'));
            let index = index.filter(|(kind, _)| OF_INTERFACES.contains(kind));
            if let Some(index) = index.and_then(|(_, index)| index.parse::<u32>().ok()) {
                pins.push((index, pin.path()));
            }
        }
        let interfaces = if_nameindex().map_err(|error| Error::Rtnetlink(error.into()))?;
        let known: BTreeSet<u32> = interfaces.iter().map(|one| one.index()).collect();
        for (_, pin) in pins.iter().filter(|(index, _)| !known.contains(index)) {
            let removed = if pin.is_dir() {
                fs::remove_dir(pin)
            } else {
                fs::remove_file(pin)
            };
            removed.map_err(Error::file(pin))?;
        }
        Ok(())
    }

    /// Removes every pin and the folders that are empty then. If there is none, this is
    /// not an error.
    pub fn remove(&self) -> Result<(), Error> {
        // Ours are not below a folder of another user.
        let Some(parent) = self.folder.parent().filter(|parent| is_ours(parent)) else {
            return Ok(());
        };
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::file(&self.folder)(error));
            }
            _ => {}
        }
        sweep(parent);
        // Other namespaces may have their folders in it.
        let _ = fs::remove_dir(parent);
        Ok(())
    }
}

/// Makes the folder of the folders of all namespaces. Where everyone can write the BPF file
/// system (its mode is 1777 unless the mount says otherwise), another user may have made it, or
/// a symbolic link of that name.
fn make_parent(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(Error::file(path)(error)),
        _ if is_ours(path) => Ok(()),
        _ => Err(Error::ForeignFolder {
            path: path.to_owned(),
        }),
    }
}

/// True for a folder, not a link to one, of the calling user.
fn is_ours(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == geteuid().as_raw())
}

/// Removes the folders of namespaces that ended without a `down`: their maps would use
/// memory forever. Folders are created and removed under the lock, so none belongs to a
/// namespace that is just starting.
fn sweep(parent: &Path) {
    let (Some(live), Ok(folders)) = (live_namespaces::network_namespaces(), fs::read_dir(parent))
    else {
        return;
    };
    let inode = |folder: &fs::DirEntry| -> Option<u64> {
        let name = folder.file_name();
        let name = name.to_str()?;
        name.strip_prefix(RECEIVER).unwrap_or(name).parse().ok()
    };
    let mut ended: Vec<_> = folders
        .flatten()
        .filter_map(|folder| Some((inode(&folder)?, folder.path())))
        .filter(|(inode, _)| !live.contains(inode))
        .collect();
    if !ended.is_empty() {
        let Some(held) = live_namespaces::held_network_namespaces() else {
            return;
        };
        ended.retain(|(inode, _)| !held.contains(inode));
    }
    for (_, folder) in ended {
        let _ = fs::remove_dir_all(folder);
    }
}

fn is_bpf_fs(path: &str) -> bool {
    statfs(path).is_ok_and(|fs| fs.filesystem_type().0 == BPF_FS_MAGIC)
}

/// The mount point of the BPF file system.
fn bpf_fs() -> Option<&'static str> {
    [MOUNT_POINT, MOUNT_POINT_OF_INIT]
        .into_iter()
        .find(|path| is_bpf_fs(path))
}

fn mount_bpf_fs() -> Result<(), Error> {
    mount(
        Some("bpf"),
        MOUNT_POINT,
        Some("bpf"),
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC,
        Some("mode=0700"),
    )
    .map_err(|errno| Error::file(MOUNT_POINT)(errno.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datapath;

    #[test]
    fn an_interface_that_is_gone_is_detached_already() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Pins {
            folder: folder.path().to_owned(),
        };
        let names = ["xdp-4294967295", "tcx-4294967295", "clsact-4294967295"];
        for name in names {
            fs::create_dir(pins.path(name)).unwrap();
        }
        datapath::detach_xdp(&pins, "nosuch0").unwrap();
        datapath::detach(&pins, "nosuch0").unwrap();
        for name in names {
            assert!(!pins.path(name).exists(), "{name}");
        }
        fs::remove_dir(folder.path()).unwrap();
        datapath::detach(&pins, "nosuch0").unwrap();
    }
}
