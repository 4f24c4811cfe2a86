// SPDX-License-Identifier: GPL-2.0-only
//! Unusual kernels and modules. Where a real kernel cannot be made to behave so, its
//! files are replaced in a mount namespace.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::{findings, found, needed, only, running};
use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf, module_is_loaded, run, success};
use crate::upheaval::AtEnd;

/// Runs the CLI after `lines` in namespaces of its own. `flags` are the flags of
/// unshare(1) for namespaces other than the mount namespace.
pub fn unshared(flags: &[&str], lines: &str, arguments: &[&str]) -> Output {
    Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .args(flags)
        .args(["sh", "-ec"])
        .arg(format!("{lines}\nexec \"$@\""))
        .arg("sh")
        .arg(ipvs_bpf().get_program())
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `doctor --json` after `lines` in a mount namespace of its own.
pub fn where_mounted(lines: &str, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["doctor", "--json"], arguments].concat();
    findings(&unshared(&[], lines, &arguments))
}

/// Replaces one of the kernel's files by a file with `text`.
pub fn instead(path: &str, text: &str) -> String {
    format!("f=$(mktemp); printf '%s\\n' '{text}' >$f; mount --bind $f {path}\n")
}

fn folder(lab: &Lab) -> PathBuf {
    let folder = std::env::temp_dir().join(lab.namespace("doctor"));
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn file(lab: &Lab) -> String {
    let path = folder(lab).join("lb.toml");
    fs::write(&path, FILE).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A copy of the module in which a text is replaced by one of the same length. `from` is
/// a sed pattern that matches text of the length of `to`.
fn altered_module(lab: &Lab, from: &str, to: &str) -> String {
    let original = std::env::var("IPVS_BPF_MODULE").unwrap();
    let path = folder(lab).join("ip_vs_bpf.ko");
    fs::copy(original, &path).unwrap();
    let path = path.to_str().unwrap().to_owned();
    run(Command::new("sed").args(["-i", &format!("s/{from}/{to}/g"), &path]));
    path
}

fn srcversion() -> String {
    let module = std::env::var("IPVS_BPF_MODULE").unwrap();
    let text = run(Command::new("modinfo").args(["-F", "srcversion", &module]));
    text.trim().to_owned()
}

#[test]
fn a_kernel_that_is_too_old() {
    let old = instead("/proc/sys/kernel/osrelease", "4.19.0-27-amd64");
    let findings = where_mounted(&old, &[]);
    found(&findings, "error", "kernel-version", "4.19.0-27-amd64");
}

#[test]
fn a_kernel_that_was_built_without_an_option() {
    let config = "mount -t tmpfs none /boot
        sed 's/^CONFIG_IP_VS_PROTO_UDP=y$/# CONFIG_IP_VS_PROTO_UDP is not set/' >/boot/config-$(cat /proc/sys/kernel/osrelease) <<END
CONFIG_BPF_SYSCALL=y
CONFIG_IP_VS=m
CONFIG_IP_VS_PROTO_TCP=y
CONFIG_IP_VS_PROTO_UDP=y
CONFIG_NET_CLS_ACT=y
CONFIG_NET_CLS_BPF=m
CONFIG_NET_SCH_INGRESS=m
CONFIG_NETFILTER=y
END";
    let findings = where_mounted(config, &[]);
    let what = "was built without CONFIG_IP_VS_PROTO_UDP";
    found(&findings, "error", "kernel-config", what);
    let options = findings.iter().filter(|of| of["check"] == "kernel-config");
    assert_eq!(options.count(), 1, "{findings:#?}");
}

#[test]
fn a_kernel_that_interprets_programs() {
    let off = instead("/proc/sys/net/core/bpf_jit_enable", "0");
    let findings = where_mounted(&off, &[]);
    let cure = found(&findings, "warning", "bpf-jit", "bpf_jit_enable is 0");
    assert_eq!(cure, "sysctl -w net.core.bpf_jit_enable=1");
}

#[test]
fn a_kernel_without_btf() {
    let findings = where_mounted("mount -t tmpfs none /sys/kernel/btf", &[]);
    found(&findings, "note", "btf", "/sys/kernel/btf/vmlinux");
}

#[test]
fn a_host_without_the_bpf_file_system() {
    let lab = Lab::alone();
    success(&lab.ipvs_bpf(&["down"]));
    let found = {
        let _mounted = AtEnd("mount -t bpf bpf /sys/fs/bpf".to_owned());
        run(Command::new("umount").arg("/sys/fs/bpf"));
        running(&lab)
    };
    only(&found, "note", "bpf-fs", "/sys/fs/bpf");
    assert_eq!(running(&lab).len(), 0);
}

#[test]
fn a_module_of_another_version() {
    let lab = Lab::new();
    lab.apply(FILE);
    let other = instead("/sys/module/ip_vs_bpf/version", "0.0.9");
    let netns = lab.namespace("director");
    let findings = where_mounted(&other, &["--netns", &netns]);
    let what = "the loaded module has version 0.0.9, ipvs-bpf has ";
    let cure = only(&findings, "warning", "module-version", what);
    assert!(cure.contains("ends all connections"), "{cure}");
}

#[test]
fn a_module_that_is_another_build_than_the_one_installed() {
    let lab = Lab::new();
    lab.apply(FILE);
    let source = srcversion();
    let path = altered_module(&lab, &source, &"0".repeat(source.len()));
    let output = lab.ipvs_bpf(&["doctor", "--json", "--module", &path]);
    let what = format!("the loaded module is a different build from {path}");
    let cure = only(&findings(&output), "warning", "module-build", &what);
    assert!(cure.contains("ends all connections"), "{cure}");
}

#[test]
fn a_module_that_cannot_be_loaded() {
    let lab = Lab::alone();
    success(&lab.ipvs_bpf(&["down"]));
    assert!(!module_is_loaded());
    let netns = lab.namespace("director");
    let file = file(&lab);
    let needs = ["--netns", netns.as_str(), "-f", file.as_str()];
    assert_eq!(needed(&lab, FILE).len(), 0);

    let nowhere = [&needs[..], &["--module", "/nowhere/ip_vs_bpf.ko"]].concat();
    let what = "there is no module /nowhere/ip_vs_bpf.ko";
    only(
        &where_mounted("", &nowhere),
        "error",
        "module-missing",
        what,
    );
    let plan = lab.ipvs_bpf(&["plan", "-f", &file, "--module", "/nowhere/ip_vs_bpf.ko"]);
    assert_eq!(plan.status.code(), Some(1), "{plan:?}");
    let text = String::from_utf8(plan.stdout).unwrap();
    assert!(text.contains(&format!("! {what}")), "{text}");
    // Only full NAT needs it.
    let idle = [
        "--netns",
        netns.as_str(),
        "--module",
        "/nowhere/ip_vs_bpf.ko",
    ];
    only(&where_mounted("", &idle), "note", "module-missing", what);

    let path = altered_module(&lab, "vermagic=[0-9]", "vermagic=9");
    let other = [&needs[..], &["--module", &path]].concat();
    let what = "was built for the kernel 9";
    only(&where_mounted("", &other), "error", "module-kernel", what);

    let signed = instead("/sys/module/module/parameters/sig_enforce", "Y");
    let what = "is not signed with a key that this kernel knows";
    let found = where_mounted(&signed, &needs);
    only(&found, "error", "module-signature", what);

    let disabled = instead("/proc/sys/kernel/modules_disabled", "1");
    let what = "kernel.modules_disabled is 1";
    let found = where_mounted(&disabled, &needs);
    only(&found, "error", "modules-disabled", what);
    assert!(!module_is_loaded(), "doctor loads nothing");
}
