// SPDX-License-Identifier: GPL-2.0-only
//! Messages to a service manager by sd_notify(3).

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::follower::{Folder, Follower};
use crate::full_nat::FILE;
use crate::lab::{Lab, ipvs_bpf};

/// The socket of a manager.
struct Manager(UnixDatagram);

impl Manager {
    /// Waits for a message with this text, and returns it.
    fn until(&self, text: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).expect(text);
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if message.contains(text) {
                return message;
            }
        }
    }
}

#[test]
fn the_service_manager_learns_of_start_reload_errors_and_end() {
    let lab = Lab::new();
    let folder = Folder::new(&lab);
    let file = folder.write("lb.toml", FILE);
    let path = folder.path("notify");
    let manager = Manager(UnixDatagram::bind(&path).unwrap());
    let patience = Some(Duration::from_secs(600));
    manager.0.set_read_timeout(patience).unwrap();
    let child = ipvs_bpf()
        .args(["--netns", &lab.namespace("director")])
        .args(["apply", "--follow", "-f", &file])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut follower = Follower::of(child);
    let status = manager.until("STATUS=");
    assert!(status.contains("the kernel matches"), "{status}");
    manager.until("READY=1");
    follower.signal(Signal::SIGHUP);
    let reloading = manager.until("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    manager.until("READY=1");
    fs::write(&file, "nonsense").unwrap();
    manager.until("has mistakes");
    follower.signal(Signal::SIGTERM);
    manager.until("STOPPING=1");
    assert!(follower.end().0.success());
}
