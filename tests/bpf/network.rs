// SPDX-License-Identifier: GPL-2.0-only
//! Client – director – server, in three network namespaces that have no name
//! and are gone with the test. The director only routes: there is no IPVS.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::{self, Command};

use nix::sched::{CloneFlags, setns, unshare};

use crate::flow::LOCAL_IP;
use crate::packet6::{CLIENT6, LOCAL_IP6, SERVER6};

pub const CLIENTS_SIDE: &str = "client0";
pub const SERVERS_SIDE: &str = "server0";
/// The one interface of the client, and of the server.
pub const INTERFACE: &str = "eth0";

/// The first 12 bytes of a frame from the director to either of them.
pub const MACS: [u32; 3] = [
    u32::from_ne_bytes([2, 0, 0, 0]),
    u32::from_ne_bytes([0, 2, 2, 0]),
    u32::from_ne_bytes([0, 0, 0, 1]),
];

pub struct Namespace(File);

impl Namespace {
    /// A new one, which the calling thread enters.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("root may make network namespaces");
        let file = File::open("/proc/thread-self/ns/net").unwrap();
        ip("link set lo up");
        Self(file)
    }

    /// Takes the calling thread there. Sockets stay where they were made.
    pub fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

pub struct Network {
    pub client: Namespace,
    pub director: Namespace,
    pub server: Namespace,
}

impl Network {
    /// The addresses are those of `flow.rs` and `packet6.rs`.
    pub fn new() -> Self {
        let client = Namespace::new();
        let server = Namespace::new();
        let director = Namespace::new();
        for (name, value) in [
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv6/conf/all/forwarding", "1"),
        ] {
            fs::write(format!("/proc/sys/net/{name}"), value).unwrap();
        }
        for (name, end, address) in [
            (CLIENTS_SIDE, &client, "10.1.0.254/24"),
            (SERVERS_SIDE, &server, "10.2.0.1/24"),
        ] {
            ip(&format!(
                "link add {name} address 02:00:00:00:00:01 type veth \
                 peer address 02:00:00:00:00:02 name {INTERFACE} netns {}",
                end.path()
            ));
            ip(&format!("address add {address} dev {name}"));
            ip(&format!("link set {name} up"));
        }
        client.enter();
        ip(&format!("address add 10.1.0.1/24 dev {INTERFACE}"));
        ip(&format!("link set {INTERFACE} up"));
        ip("route add default via 10.1.0.254");
        ip(&format!(
            "address add {}/64 dev {INTERFACE} nodad",
            CLIENT6.ip()
        ));
        ip("route add default via fd00:1::fe");
        server.enter();
        ip(&format!("address add 10.2.0.2/24 dev {INTERFACE}"));
        ip(&format!("link set {INTERFACE} up"));
        ip(&format!(
            "neighbour add {} lladdr 02:00:00:00:00:01 dev {INTERFACE} nud permanent",
            LOCAL_IP.ip()
        ));
        ip(&format!(
            "address add {}/64 dev {INTERFACE} nodad",
            SERVER6.ip()
        ));
        ip(&format!(
            "neighbour add {} lladdr 02:00:00:00:00:01 dev {INTERFACE} nud permanent",
            LOCAL_IP6.ip()
        ));
        director.enter();
        ip(&format!(
            "address add fd00:1::fe/64 dev {CLIENTS_SIDE} nodad"
        ));
        ip(&format!(
            "address add fd00:2::fe/64 dev {SERVERS_SIDE} nodad"
        ));
        Self {
            client,
            director,
            server,
        }
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .expect("ip starts: run `make deps`");
    assert!(
        output.status.success(),
        "ip {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
