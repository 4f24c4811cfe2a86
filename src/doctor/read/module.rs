// SPDX-License-Identifier: GPL-2.0-only
//! Reads the loaded module, and with modinfo(8) the one that would be loaded.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::line;
use crate::doctor::module::{File, Loaded, Module};

const NAME: &str = "ip_vs_bpf";

pub fn read(file: Option<&Path>) -> Module {
    let sysfs = |name: &str| line(Path::new("/sys/module").join(NAME).join(name));
    let place = file.map_or(OsStr::new(NAME), Path::as_os_str);
    let lockdown = line("/sys/kernel/security/lockdown");
    let enforced = line("/sys/module/module/parameters/sig_enforce");
    Module {
        loaded: sysfs("initstate").map(|_| Loaded {
            version: sysfs("version").unwrap_or_default(),
            source: sysfs("srcversion").unwrap_or_default(),
        }),
        file: modinfo(place),
        place: Path::new(place).display().to_string(),
        disabled: line("/proc/sys/kernel/modules_disabled").as_deref() == Some("1"),
        signed_only: enforced.as_deref() == Some("Y")
            || lockdown.is_some_and(|words| !words.contains("[none]")),
    }
}

/// Reads the module file.
/// `None`: there is no module, or no modinfo.
fn modinfo(place: &OsStr) -> Option<File> {
    let output = Command::new("modinfo")
        .arg(place)
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let value = |key: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
        pairs.find_map(|(name, value)| (name == key).then(|| value.trim().to_owned()))
    };
    let vermagic = value("vermagic").unwrap_or_default();
    Some(File {
        release: vermagic.split(' ').next().unwrap_or_default().to_owned(),
        source: value("srcversion").unwrap_or_default(),
        signed: value("signature").is_some()
            && value("signer").is_none_or(|signer| is_known(&signer)),
    })
}

/// True if the kernel has a key of that name. The keys of Secure Boot are
/// included.
fn is_known(signer: &str) -> bool {
    fs::read_to_string("/proc/keys").map_or(true, |keys| {
        let mut keys = keys.lines().filter(|key| key.contains(" asymmetri "));
        keys.any(|key| key.contains(signer))
    })
}
