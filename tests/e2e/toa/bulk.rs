// SPDX-License-Identifier: GPL-2.0-only
//! curl uploads and downloads much data, and the server sees curl's own address.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ipvs_bpf::toa::abi::Outcome;

use super::told::{nothing_failed, told};
use super::transfers::{offloads, wrong_checksums};
use crate::lab::{Lab, run};

/// A file of random bytes, for transfers.
pub struct Body {
    folder: tempfile::TempDir,
    /// Its SHA-256, as the server sends it.
    sum: String,
}

impl Body {
    pub fn new(bytes: usize) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let path = folder.path().join("body");
        let script = r#"head -c "$1" /dev/urandom >"$0" && sha256sum <"$0" | cut -d' ' -f1"#;
        let mut shell = Command::new("sh");
        let shell = shell.args(["-ec", script]).arg(path).arg(bytes.to_string());
        let sum = run(shell);
        Body { folder, sum }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends it from a host to port 80 of a VIP, as in a URL, and gets it back. The
    /// server must see the address and port of that host's sockets.
    pub fn both_ways(&self, lab: &Lab, host: &str, vip: &str) {
        self.upload(lab, host, vip);
        self.download(lab, host, vip);
    }

    pub fn upload(&self, lab: &Lab, host: &str, vip: &str) {
        let body = format!("@{}", self.path("body").display());
        let url = format!("http://{vip}/");
        // Without the header, the body begins at once.
        let words = ["-H", "Expect:", "--data-binary", &body, &url];
        self.curl(lab, host, &words);
        assert_eq!(fs::read_to_string(self.path("answer")).unwrap(), self.sum);
    }

    pub fn download(&self, lab: &Lab, host: &str, vip: &str) {
        let url = format!("http://{vip}/file{}", self.path("body").display());
        self.curl(lab, host, &[&url]);
        let [sent, received] = ["body", "answer"].map(|name| fs::read(self.path(name)).unwrap());
        assert!(sent == received, "{url}");
    }

    /// The answer is in a file.
    fn curl(&self, lab: &Lab, host: &str, words: &[&str]) {
        let answer = self.path("answer");
        let both = "%{local_ip} %{local_port}\n%header{peer}";
        let curl = [
            "curl",
            "-sS",
            "--fail",
            "--max-time",
            "600",
            "-w",
            both,
            "-o",
        ];
        let ends = lab.exec(
            host,
            &[&curl[..], &[answer.to_str().unwrap()], words].concat(),
        );
        let (own, seen) = ends.split_once('\n').unwrap();
        assert_eq!(own, seen, "{words:?}");
    }
}

const HOSTS: [(&str, &[&str]); 3] = [
    ("client", &["eth0"]),
    ("director", &["eth0", "eth1"]),
    ("server1", &["eth0"]),
];

/// Bit N is set if host N has no offloads.
const ALL: usize = (1 << HOSTS.len()) - 1;

#[test]
fn large_files_arrive_with_all_offloads_on_and_off() {
    arrive(&Body::new(20_000_000), [0, ALL]);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn larger_files_arrive_with_all_offloads_on_and_off() {
    arrive(&Body::new(50_000_000), [0, ALL]);
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn large_files_arrive_with_each_mixture_of_the_hosts_offloads() {
    arrive(&Body::new(20_000_000), 1..ALL);
}

fn arrive(body: &Body, mixtures: impl IntoIterator<Item = usize>) {
    let (lab, receiver) = told(&[]);
    let mut told = 0;
    for off in mixtures {
        for (number, (host, devices)) in HOSTS.into_iter().enumerate() {
            let state = if off >> number & 1 == 1 { "off" } else { "on" };
            for device in devices {
                offloads(&lab, host, device, state);
            }
        }
        for vip in ["10.0.0.1", "[fd00::1]"] {
            body.both_ways(&lab, "client", vip);
            told += 2;
        }
        for host in ["client", "server1"] {
            assert_eq!(wrong_checksums(&lab, host), 0, "{host}, {off:03b}");
        }
    }
    assert_eq!(receiver.outcomes(), [(Outcome::Told, told)]);
    nothing_failed(&lab);
}
