// SPDX-License-Identifier: GPL-2.0-only
//! Writing a file that is there whole, or as it was before.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// Why the file was not written.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{path}: it is there already; `--force` replaces it")]
    Exists { path: PathBuf },
    #[error("{path}: it is no regular file; name another, or leave `--output` out")]
    NoFile { path: PathBuf },
    #[error("{path}: it cannot be written: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
}

/// Of those of other programs; the umask takes more away.
const MODE: u32 = 0o666;

/// `replace`: also where the file is there already. A symbolic link stays, and
/// what it leads to is replaced.
pub fn write(path: &Path, text: &str, replace: bool) -> Result<(), Refusal> {
    let unwritable = |source| Refusal::Unwritable {
        path: path.to_owned(),
        source,
    };
    let exists = || Refusal::Exists {
        path: path.to_owned(),
    };
    let mut permissions = Permissions::from_mode(MODE);
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
            permissions = metadata.permissions();
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
    // Another program may have been quicker.
    match file.persist_noclobber(&target) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        Err(error) => Err(unwritable(error.error)),
    }
}
