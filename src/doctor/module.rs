// SPDX-License-Identifier: GPL-2.0-only
//! Checks the module ip_vs_bpf: its presence, its version, and whether it can be
//! loaded.

use super::finding::Severity::{Error, Note, Warning};
use super::{Facts, Finding};

#[derive(Clone, Debug, Default)]
pub struct Module {
    pub loaded: Option<Loaded>,
    /// The file that `apply` would load.
    pub file: Option<File>,
    /// The place where `apply` would search.
    pub place: String,
    /// The value of `kernel.modules_disabled`.
    pub disabled: bool,
    /// True if the kernel accepts only signed modules.
    pub signed_only: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub version: String,
    pub source: String,
}

/// A module file, as modinfo(8) describes it.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// The kernel that it was built for.
    pub release: String,
    pub source: String,
    /// True if it is signed with a key that the kernel knows.
    pub signed: bool,
}

/// How the installed module takes the place of the loaded one.
const REPLACE: &str = "the loaded module is replaced at the next boot, or now by `systemctl restart \
                       ipvs-bpf` (without the unit: `ipvs-bpf down`, then `ipvs-bpf apply`), which \
                       ends all connections";

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let module = &facts.module;
    if let Some(loaded) = &module.loaded {
        if loaded.version != env!("CARGO_PKG_VERSION") {
            findings.push(Finding::new(
                Warning,
                "module-version",
                format!(
                    "the loaded module has version {}, ipvs-bpf has {}",
                    loaded.version,
                    env!("CARGO_PKG_VERSION")
                ),
                "they may be incompatible; apply warns and continues",
                format!("install both of one version; {REPLACE}"),
            ));
        }
        let other = |file: &&File| !file.source.is_empty() && file.source != loaded.source;
        if module.file.as_ref().filter(other).is_some() {
            findings.push(Finding::new(
                Warning,
                "module-build",
                format!(
                    "the loaded module is a different build from {}",
                    module.place
                ),
                "the loaded one keeps working until it is unloaded",
                REPLACE,
            ));
        }
        return;
    }
    let severity = if facts.has_full_nat() { Error } else { Note };
    let why = "full NAT needs the module ip_vs_bpf";
    let mut add = |check, what: String, cure: &str| {
        findings.push(Finding::new(severity, check, what, why, cure));
    };
    if module.disabled {
        add(
            "modules-disabled",
            "kernel.modules_disabled is 1: the kernel does not load modules until the next boot"
                .to_owned(),
            "let a file in /etc/modules-load.d load ip_vs_bpf before it is set, and reboot",
        );
    }
    let Some(file) = &module.file else {
        add(
            "module-missing",
            format!("there is no module {} for this kernel", module.place),
            "install its package and the headers of this kernel (for DKMS; then: dkms autoinstall), or \
             name its file with --module",
        );
        return;
    };
    if file.release != facts.kernel.release {
        add(
            "module-kernel",
            format!(
                "{} was built for the kernel {}, and this is {}",
                module.place, file.release, facts.kernel.release
            ),
            "dkms autoinstall, or build it for this kernel",
        );
    }
    if module.signed_only && !file.signed {
        add(
            "module-signature",
            format!(
                "{} is not signed with a key that this kernel knows, and this kernel loads only \
                 signed modules",
                module.place
            ),
            "mokutil --import /var/lib/dkms/mok.pub (the key of DKMS) and reboot; or sign it with a \
             key that the machine knows, or switch Secure Boot off",
        );
    }
}
