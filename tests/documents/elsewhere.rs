// SPDX-License-Identifier: GPL-2.0-only
//! Commands of the documents that a lab cannot run, and who does. Every other one
//! is run by `tests/e2e/documents.rs`.

pub struct Elsewhere {
    pub command: &'static str,
    /// The file that runs it, and the words by which it does.
    pub by: &'static str,
    pub words: &'static str,
}

/// On a host with packages and systemd: `make test-packages`.
const fn host(command: &'static str, by: &'static str, words: &'static str) -> Elsewhere {
    Elsewhere { command, by, words }
}

pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        command: "make demo",
        by: "tests/e2e/documents.rs",
        words: "lab/demo",
    },
    Elsewhere {
        command: "make test",
        by: ".ci/run",
        words: "make test ",
    },
    host(
        "apt install linux-headers-amd64 ./ipvs-bpf_*.deb ./ipvs-bpf-dkms_*.deb",
        "tests/packages/run",
        "apt-get -qq install -y /lab/old/ipvs-bpf_\"$old\"_amd64.deb /lab/old/ipvs-bpf-dkms_",
    ),
    host(
        "apt install ./ipvs-bpf_*.deb ./ipvs-bpf-dkms_*.deb",
        "tests/packages/first",
        "install ./new/*.deb",
    ),
    host(
        "ipvs-bpf doctor -f /etc/ipvs-bpf/lb.toml",
        "tests/packages/proves",
        "ipvs-bpf doctor -f /etc/ipvs-bpf/lb.toml",
    ),
    host(
        "ipvs-bpf plan -f /etc/ipvs-bpf/lb.toml",
        "tests/packages/first",
        "ipvs-bpf plan -f /etc/ipvs-bpf/lb.toml",
    ),
    host(
        "systemctl enable --now ipvs-bpf",
        "tests/packages/first",
        "systemctl enable --now ipvs-bpf",
    ),
    host(
        "systemctl reload ipvs-bpf",
        "tests/packages/first",
        "systemctl reload ipvs-bpf",
    ),
    host(
        "apt purge ipvs-bpf ipvs-bpf-dkms",
        "tests/packages/removal",
        "apt-get -qq purge -y ipvs-bpf ipvs-bpf-dkms",
    ),
];

/// What no machine here can do, and why.
pub const BY_HAND: &[(&str, &str)] = &[
    (
        "mokutil --import /var/lib/dkms/mok.pub",
        "it writes to the firmware of a real machine",
    ),
    ("reboot", "that firmware asks a person at the console"),
    ("systemctl edit ipvs-bpf", "it opens an editor"),
    ("systemctl edit ipvs-bpf-metrics", "it opens an editor"),
];
