// SPDX-License-Identifier: GPL-2.0-only
//! Checks the kernel: its version, its configuration, and the requirements of
//! eBPF.

use std::collections::BTreeMap;

use super::finding::Severity::{Error, Note, Warning};
use super::{Facts, Finding};

/// The oldest kernel that is tested.
const OLDEST: (u32, u32) = (5, 10);

/// The options that full NAT needs, built in or as modules.
const OPTIONS: [&str; 5] = [
    "CONFIG_BPF_SYSCALL",
    "CONFIG_IP_VS",
    "CONFIG_IP_VS_PROTO_TCP",
    "CONFIG_IP_VS_PROTO_UDP",
    "CONFIG_NETFILTER",
];

/// The options that the fast path needs where it is a tc filter.
const TC_OPTIONS: [&str; 3] = [
    "CONFIG_NET_CLS_ACT",
    "CONFIG_NET_CLS_BPF",
    "CONFIG_NET_SCH_INGRESS",
];

/// The first kernel with tcx, which needs only BPF.
const TCX: (u32, u32) = (6, 6);

#[derive(Clone, Debug, Default)]
pub struct Kernel {
    /// `uname -r`.
    pub release: String,
    /// The configuration.
    /// `None`: the distribution does not provide a copy of it.
    pub config: Option<BTreeMap<String, String>>,
    pub has_btf: bool,
    pub has_bpf_fs: bool,
    /// The value of `net.core.bpf_jit_enable`.
    /// `None`: it is not visible from this namespace.
    pub jit: Option<String>,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let kernel = &facts.kernel;
    if version(&kernel.release).is_some_and(|version| version < OLDEST) {
        findings.push(Finding::new(
            Error,
            "kernel-version",
            format!("the kernel is {}", kernel.release),
            "full NAT needs Linux 5.10 or newer",
            "boot a newer kernel of the distribution",
        ));
    }
    if let Some(config) = &kernel.config {
        let (severity, why) = match version(&kernel.release) {
            Some(version) if version >= TCX => (
                Note,
                "the fast path needs it only at interfaces where another program has tc filters",
            ),
            _ => (Error, "the fast path needs it"),
        };
        let all = OPTIONS.map(|option| (option, Error, "full NAT needs it"));
        let tc = TC_OPTIONS.map(|option| (option, severity, why));
        for (option, severity, why) in all.into_iter().chain(tc) {
            if config.contains_key(option) {
                continue;
            }
            findings.push(Finding::about(
                option,
                severity,
                "kernel-config",
                format!("the kernel {} was built without {option}", kernel.release),
                why,
                "boot a kernel that has it; those of Debian, Ubuntu and RHEL do",
            ));
        }
    }
    check_ebpf_support(facts, findings);
}

/// Checks the requirements of all eBPF programs.
pub(super) fn check_ebpf_support(facts: &Facts, findings: &mut Vec<Finding>) {
    let kernel = &facts.kernel;
    if kernel.jit.as_deref() == Some("0") {
        findings.push(Finding::new(
            Warning,
            "bpf-jit",
            "net.core.bpf_jit_enable is 0",
            "the eBPF programs are interpreted, which costs several times the instructions",
            "sysctl -w net.core.bpf_jit_enable=1",
        ));
    }
    if !kernel.has_btf {
        findings.push(Finding::new(
            Note,
            "btf",
            "the kernel has no BTF (/sys/kernel/btf/vmlinux)",
            "the programs work without it, but bpftool cannot show the fields of their maps",
            "boot a kernel with CONFIG_DEBUG_INFO_BTF",
        ));
    }
    if !kernel.has_bpf_fs {
        findings.push(Finding::new(
            Note,
            "bpf-fs",
            "no BPF file system is mounted at /sys/fs/bpf",
            "programs and maps are pinned there; `ipvs-bpf apply` mounts it where it can",
            "mount -t bpf bpf /sys/fs/bpf",
        ));
    }
}

pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("6.1.0-56-amd64"), Some((6, 1)));
        assert!(version("5.9.16").unwrap() < OLDEST);
        assert!(version("5.10.0-30-amd64").unwrap() >= OLDEST);
        assert_eq!(version("strange"), None);
    }
}
