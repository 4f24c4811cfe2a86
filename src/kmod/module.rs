// SPDX-License-Identifier: GPL-2.0-only
//! Loads and unloads the module.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::errno::Errno;
use nix::kmod::{DeleteModuleFlags, ModuleInitFlags, delete_module, finit_module};

use super::Error;

const NAME: &str = "ip_vs_bpf";

pub fn is_loaded() -> bool {
    Path::new("/sys/module").join(NAME).exists()
}

/// The version of the loaded module.
pub fn version() -> Option<String> {
    let file = Path::new("/sys/module").join(NAME).join("version");
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

/// The version of this build and that of the module, if it is loaded, for an error
/// message.
pub(super) fn versions() -> String {
    let ours = env!("CARGO_PKG_VERSION");
    match version() {
        Some(version) => format!("the module has version {version}, ipvs-bpf has {ours}"),
        None => format!("ipvs-bpf has version {ours}"),
    }
}

/// Loads the module if it is missing: by modprobe, or from the file that the user named.
/// IPVS itself is loaded with it.
pub fn load(file: Option<&Path>) -> Result<(), Error> {
    if is_loaded() {
        return Ok(());
    }
    let Some(path) = file else {
        return modprobe(
            NAME,
            "the package ipvs-bpf-dkms builds it where this kernel's headers are installed (see \
             `dkms status ipvs-bpf`); --module names a file instead",
        );
    };
    // modprobe would load this dependency first.
    modprobe("ip_vs", "this kernel has no IPVS")?;
    let open = File::open(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    match finit_module(&open, c"", ModuleInitFlags::empty()) {
        // Another process loaded it first.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(Error::Load {
            name: path.display().to_string(),
            reason: explain(errno),
        }),
    }
}

/// Loads IPVS if it is missing.
pub fn load_ipvs() -> Result<(), Error> {
    if Path::new("/proc/net/ip_vs").exists() {
        return Ok(());
    }
    modprobe("ip_vs", "this kernel has no IPVS")
}

/// Loads the modules of the schedulers and persistence engines that are missing. The
/// kernel would load them itself, but while it holds the mutex of IPVS. That deadlocks:
/// removing a network namespace waits for this mutex, and a module that registers
/// per-namespace operations (`lblc`, `sip`) waits for the removal. If a module does not
/// exist, the kernel refuses the name later.
pub fn load_parts<'a>(schedulers: &BTreeSet<&'a str>, engines: &BTreeSet<&'a str>) {
    let names = schedulers
        .iter()
        .map(|name| format!("ip_vs_{name}"))
        .chain(engines.iter().map(|name| format!("ip_vs_pe_{name}")));
    for name in names {
        let is_there = Path::new("/sys/module").join(&name).exists();
        let is_a_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !is_there && is_a_name {
            let _ = modprobe(&name, "");
        }
    }
}

/// True if [`load`] cannot find a module to load.
pub fn is_missing(file: Option<&Path>) -> bool {
    !is_loaded()
        && match file {
            Some(path) => !path.exists(),
            None => is_installed(NAME) == Some(false),
        }
}

/// True if the kernel does not have this scheduler and no module provides it.
pub fn lacks_scheduler(name: &str) -> bool {
    // `none` is a keyword of IPVS.
    name != "none" && lacks(&format!("ip_vs_{name}"))
}

/// The same for a persistence engine.
pub fn lacks_engine(name: &str) -> bool {
    lacks(&format!("ip_vs_pe_{name}"))
}

/// False if this cannot be known: the kernel does not list what is registered, a module
/// of any name can register it, and a container may not see the kernel's modules.
fn lacks(part: &str) -> bool {
    let is_there = Path::new("/sys/module").join(part).exists();
    !is_there && sees_modules() && !another_module_uses_ip_vs() && is_installed(part) == Some(false)
}

fn sees_modules() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let modules = Path::new("/lib/modules").join(release.trim());
    modules.join("modules.dep").exists()
}

fn another_module_uses_ip_vs() -> bool {
    let holders = fs::read_dir("/sys/module/ip_vs/holders");
    holders.into_iter().flatten().flatten().any(|holder| {
        let name = holder.file_name();
        let name = name.to_string_lossy();
        !name.starts_with("ip_vs_") && name != "xt_ipvs"
    })
}

/// `None`: modprobe cannot be run.
fn is_installed(name: &str) -> Option<bool> {
    let dry = Command::new("modprobe")
        .args(["--dry-run", "--quiet", "--", name])
        .output();
    Some(dry.ok()?.status.success())
}

/// The result of `unload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unloaded {
    Yes,
    NotLoaded,
    /// Another network namespace uses the module.
    InUse,
    /// `kernel.modules_disabled` is 1: it stays until the next boot.
    Disabled,
}

pub fn unload() -> Result<Unloaded, Error> {
    match delete_module(c"ip_vs_bpf", DeleteModuleFlags::O_NONBLOCK) {
        Ok(()) => Ok(Unloaded::Yes),
        Err(Errno::ENOENT) => Ok(Unloaded::NotLoaded),
        Err(Errno::EWOULDBLOCK | Errno::EBUSY) => Ok(Unloaded::InUse),
        Err(Errno::EPERM) if is_disabled() => Ok(Unloaded::Disabled),
        Err(errno) => Err(Error::Unload(errno.into())),
    }
}

/// True if the kernel neither loads nor unloads modules until the next boot.
pub fn is_disabled() -> bool {
    fs::read_to_string("/proc/sys/kernel/modules_disabled").is_ok_and(|text| text.trim() == "1")
}

fn modprobe(name: &str, cure: &str) -> Result<(), Error> {
    let fail = |reason: String| Error::Load {
        name: name.to_owned(),
        reason: format!("{reason}; {cure}"),
    };
    let output = Command::new("modprobe")
        .arg(name)
        // Its messages are parsed.
        .env("LC_ALL", "C")
        // Ctrl-C must not stop it: the CLI handles the signal and finishes the step.
        .process_group(0)
        .output()
        .map_err(|error: io::Error| fail(format!("modprobe: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.trim().trim_start_matches("modprobe: ");
    // The texts of strerror(3).
    let refusals = [
        ("Key was rejected by service", Errno::EKEYREJECTED),
        ("Required key not available", Errno::ENOKEY),
        ("Operation not permitted", Errno::EPERM),
    ];
    let refusal = refusals.iter().find(|(said, _)| words.ends_with(said));
    Err(match refusal.and_then(|(_, errno)| signature(*errno)) {
        Some(cure) => Error::Load {
            name: name.to_owned(),
            reason: format!("{words}; {cure}"),
        },
        None => fail(words.to_owned()),
    })
}

/// The fix if the kernel takes only signed modules and refused this one for its
/// signature. Lockdown, which comes with Secure Boot, answers EPERM
/// (kernel/module/signing.c).
fn signature(errno: Errno) -> Option<&'static str> {
    let lockdown = || {
        fs::read_to_string("/sys/kernel/security/lockdown")
            .is_ok_and(|modes| !modes.contains("[none]"))
    };
    match errno {
        Errno::EKEYREJECTED | Errno::ENOKEY => {}
        Errno::EPERM if lockdown() => {}
        _ => return None,
    }
    Some(
        "this kernel loads only modules that are signed with an enrolled key, as with Secure \
         Boot: enroll the key of DKMS by `mokutil --import /var/lib/dkms/mok.pub` and a reboot",
    )
}

/// The meaning of the kernel's refusal to load a module (kernel/module/main.c).
fn explain(errno: Errno) -> String {
    match errno {
        Errno::ENOEXEC => {
            "it was built for another kernel (see `dmesg`); build it for this one".to_owned()
        }
        Errno::ENOENT => "a symbol that it needs is missing; load ip_vs first".to_owned(),
        errno => {
            let words = io::Error::from(errno);
            signature(errno).map_or(words.to_string(), |cure| format!("{words}; {cure}"))
        }
    }
}
