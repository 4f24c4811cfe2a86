// SPDX-License-Identifier: GPL-2.0-only
//! `net.ipv4.vs.*`: files in `/proc/sys/net`. Each thread sees those of its own network
//! namespace.

use std::fs;
use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::Error;
use crate::model::Sysctls;

const FOLDER: &str = "/proc/sys/net/ipv4/vs";

/// Reads all of them. Empty if IPVS is not loaded.
pub(super) fn observe() -> Result<Sysctls, Error> {
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sysctls::new()),
        Err(error) => return Err(Error::file(FOLDER)(error)),
    };
    let mut sysctls = Sysctls::new();
    for entry in entries {
        let path = entry.map_err(Error::file(FOLDER))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        match fs::read_to_string(&path) {
            Ok(text) => {
                let words: Vec<&str> = text.split_whitespace().collect();
                sysctls.insert(name.to_owned(), words.join(" "));
            }
            Err(error) => return Err(Error::file(path)(error)),
        }
    }
    Ok(sysctls)
}

/// The names come from a checked file or from the kernel, so none has a `/`.
pub(super) fn set(name: &str, value: &str) -> Result<(), Error> {
    let path = Path::new(FOLDER).join(name);
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(|source| Error::Sysctl {
            path,
            value: value.to_owned(),
            reason: reason(&source),
        })
}

/// The meaning of the kernel's refusal (ip_vs_ctl.c, kernel/sysctl.c).
fn reason(error: &io::Error) -> String {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EINVAL | Errno::ERANGE) => "the kernel does not take this value".to_owned(),
        Some(Errno::ENOENT) => "this kernel has no such setting".to_owned(),
        Some(Errno::EACCES | Errno::EPERM) => {
            "it can be set only in the initial network namespace".to_owned()
        }
        Some(Errno::EROFS) => "/proc/sys is mounted read-only here".to_owned(),
        _ => error.to_string(),
    }
}
