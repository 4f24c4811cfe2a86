// SPDX-License-Identifier: GPL-2.0-only
//! Writes a file atomically: it is complete, or unchanged.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// The reason why the file was not written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{path}: it is there already; `--force` replaces it")]
    Exists { path: PathBuf },
    #[error("{path}: it is not a regular file; name another, or leave `--output` out")]
    NoFile { path: PathBuf },
    #[error("{path}: it cannot be written: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
}

/// The mode of a new file, which the umask reduces.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// As other programs use it.
    Usual = 0o666,
    /// For text with a secret.
    Private = 0o600,
}

/// Writes the file. `replace`: overwrite an existing file, which keeps its mode. If the new
/// text is private, it keeps only the rights of its owner. A symbolic link is kept and its
/// target is replaced.
pub fn write(path: &Path, text: &str, replace: bool, mode: Mode) -> Result<(), Refusal> {
    let unwritable = |source| Refusal::Unwritable {
        path: path.to_owned(),
        source,
    };
    let exists = || Refusal::Exists {
        path: path.to_owned(),
    };
    let mut permissions = Permissions::from_mode(mode as u32);
    let target = match path.canonicalize() {
        Ok(target) => {
            let metadata = target.metadata().map_err(unwritable)?;
            if !metadata.is_file() {
                let path = path.to_owned();
                return Err(Refusal::NoFile { path });
            }
            if !replace {
                return Err(exists());
            }
            permissions = match mode {
                Mode::Usual => metadata.permissions(),
                Mode::Private => Permissions::from_mode(metadata.mode() & 0o700),
            };
            target
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(unwritable(error)),
    };
    let folder = target
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = Builder::new()
        .prefix(".ipvs-bpf-")
        .permissions(permissions)
        .tempfile_in(folder)
        .map_err(|error| unwritable(error.kind().into()))?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    file.as_file().sync_all().map_err(unwritable)?;
    if replace {
        file.persist(&target)
            .map_err(|error| unwritable(error.error))?;
        return Ok(());
    }
    // Another program may have created the file in the meantime.
    match file.persist_noclobber(&target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        Err(error) => Err(unwritable(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_file_that_all_could_read_is_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lb.toml");
        std::fs::write(&path, "old").unwrap();
        for (mode, before, after) in [
            (Mode::Usual, 0o644, 0o644),
            (Mode::Private, 0o644, 0o600),
            (Mode::Private, 0o400, 0o400),
        ] {
            std::fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            write(&path, "new", true, mode).unwrap();
            assert_eq!(path.metadata().unwrap().mode() & 0o777, after);
        }
    }
}
