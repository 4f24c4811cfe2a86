// SPDX-License-Identifier: GPL-2.0-only
//! A download that lasts as long as a test needs.

use std::path::PathBuf;
use std::process::Child;

use crate::lab::{Lab, eventually, success};

/// The total number of bytes that `lab/net/server.py` sends.
const SIZE: &str = "1000000";

/// Sends the request and then half-closes the connection.
const HALF_CLOSING: &str = "\
import socket, sys
s = socket.create_connection((sys.argv[1], 80))
s.sendall(b'GET /held' + sys.argv[2].encode() + b' HTTP/1.0\\r\\n\\r\\n')
s.shutdown(socket.SHUT_WR)
f = s.makefile('rb')
while f.readline().strip():
    pass
print(len(f.read()))
";

pub struct Download {
    client: Child,
    release: PathBuf,
    /// "10.2.0.2:8080"
    pub server: String,
}

impl Download {
    /// Begins a download with curl from port 80 of a VIP.
    pub fn begin(lab: &Lab, vip: &str) -> Self {
        let release = release(lab);
        let url = format!("http://{vip}/held{}", release.display());
        let words = [
            "curl",
            "-sS",
            "--fail",
            "--max-time",
            "600",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}\n",
            &url,
        ];
        Download::of(lab, vip, lab.spawn_at("client", &words), release)
    }

    /// Begins a download with a client that closes its side at once.
    pub fn half_closed(lab: &Lab, vip: &str) -> Self {
        let release = release(lab);
        let path = release.to_str().unwrap();
        let words = ["/usr/bin/python3", "-ISc", HALF_CLOSING, vip, path];
        Download::of(lab, vip, lab.spawn_at("client", &words), release)
    }

    fn of(lab: &Lab, vip: &str, client: Child, release: PathBuf) -> Self {
        let mut server = String::new();
        eventually("the download begins", || {
            let connections = lab.exec("director", &["ipvsadm", "-Lnc"]);
            let found = connections.lines().find_map(|line| {
                let words: Vec<&str> = line.split_whitespace().collect();
                let [_, _, state, _, address, server] = words[..] else {
                    return None;
                };
                let runs = matches!(state, "ESTABLISHED" | "CLOSE_WAIT");
                (runs && address == format!("{vip}:80")).then(|| server.to_owned())
            });
            server = found.clone().unwrap_or_default();
            found.is_some()
        });
        Download {
            client,
            release,
            server,
        }
    }

    /// Lets the download end, and checks that all of it arrived.
    pub fn finish(self) {
        std::fs::write(&self.release, "").unwrap();
        let output = self.client.wait_with_output().unwrap();
        std::fs::remove_file(&self.release).unwrap();
        assert_eq!(success(&output).trim(), SIZE);
    }
}

fn release(lab: &Lab) -> PathBuf {
    PathBuf::from(format!("/tmp/{}", lab.namespace("release")))
}
