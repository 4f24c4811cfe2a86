// SPDX-License-Identifier: GPL-2.0-only
//! Commands of the documents that a lab cannot run, and the files that run them.
//! `tests/e2e/documents.rs` runs all others.

pub struct Elsewhere {
    pub command: &'static str,
    /// The file that runs the command, and a text in it that proves this.
    pub by: &'static str,
    pub words: &'static str,
}

/// Runs on a host with packages and systemd: `make test-packages`.
const fn host(command: &'static str, by: &'static str, words: &'static str) -> Elsewhere {
    Elsewhere { command, by, words }
}

/// Needs kube-proxy and an API server: `make test-kubernetes`.
const fn cluster(command: &'static str) -> Elsewhere {
    Elsewhere {
        command,
        by: "tests/e2e/kubernetes.rs",
        words: "run_listed(&lab, PAGE, file!())",
    }
}

pub const ELSEWHERE: &[Elsewhere] = &[
    Elsewhere {
        command: "make demo",
        by: "tests/e2e/documents.rs",
        words: "lab/demo/demo.sh",
    },
    Elsewhere {
        command: "make test",
        by: ".ci/run",
        words: "make test ",
    },
    host(
        "apt install linux-headers-amd64 linux-headers-$(uname -r) ./ipvs-bpf_*.deb ./ipvs-bpf-dkms_*.deb",
        "tests/packages/run.sh",
        "apt-get -qq install -y /lab/old/ipvs-bpf_\"$old\"_amd64.deb /lab/old/ipvs-bpf-dkms_",
    ),
    host(
        "apt install ./ipvs-bpf_*.deb ./ipvs-bpf-dkms_*.deb",
        "tests/packages/first.sh",
        "install ./new/*.deb",
    ),
    host(
        "ipvs-bpf doctor -f /etc/ipvs-bpf/lb.toml",
        "tests/packages/proves.sh",
        "ipvs-bpf doctor -f /etc/ipvs-bpf/lb.toml",
    ),
    host(
        "ipvs-bpf plan -f /etc/ipvs-bpf/lb.toml",
        "tests/packages/first.sh",
        "ipvs-bpf plan -f /etc/ipvs-bpf/lb.toml",
    ),
    host(
        "systemctl enable --now ipvs-bpf",
        "tests/packages/first.sh",
        "systemctl enable --now ipvs-bpf",
    ),
    host(
        "systemctl reload ipvs-bpf",
        "tests/packages/first.sh",
        "systemctl reload ipvs-bpf",
    ),
    host(
        "systemctl enable --now ipvs-bpf-follow",
        "tests/packages/first.sh",
        "systemctl enable --quiet --now ipvs-bpf-follow",
    ),
    host(
        "systemctl reload ipvs-bpf-follow",
        "tests/packages/first.sh",
        "systemctl reload ipvs-bpf-follow",
    ),
    host(
        "apt purge ipvs-bpf ipvs-bpf-dkms",
        "tests/packages/removal.sh",
        "apt-get -qq purge -y ipvs-bpf ipvs-bpf-dkms",
    ),
    cluster("kubectl apply -f web.yaml"),
    cluster("ipvs-bpf show tcp://10.96.0.10:80"),
    cluster("ipvs-bpf show tcp://10.1.0.1:30080"),
    cluster("conntrack -L --orig-dst 10.96.0.10"),
];

/// Commands that no test machine can run, and why.
pub const BY_HAND: &[(&str, &str)] = &[
    (
        "mokutil --import /var/lib/dkms/mok.pub",
        "it writes to the firmware of a real machine",
    ),
    ("reboot", "that firmware asks a person at the console"),
    ("systemctl edit ipvs-bpf", "it opens an editor"),
    ("systemctl edit ipvs-bpf-metrics", "it opens an editor"),
];
