// SPDX-License-Identifier: GPL-2.0-only
//! Client – director – server in three unnamed network namespaces, which end with the
//! test. The director has no addresses and does not forward: only the program under test
//! moves a packet from one side to the other.

use std::fs::File;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::process::{self, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns, unshare};

use crate::capture::PATIENCE;
use crate::family::{FAMILIES, Session};

/// The director's interface to the client, and the one to the server.
pub const SIDES: [&str; 2] = ["client0", "server0"];
/// The only interface of the client and of the server.
pub const INTERFACE: &str = "eth0";
/// The MAC address of the director's interfaces.
pub const DIRECTORS_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// The MAC address of the client's interface and of the server's.
pub const HOSTS_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

pub struct Namespace(File);

impl Namespace {
    /// Makes a new namespace. The calling thread enters it.
    fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("root may make network namespaces");
        Self(File::open("/proc/thread-self/ns/net").unwrap())
    }

    /// Moves the calling thread to the namespace. Sockets stay where they were opened.
    pub fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }
}

pub struct Network {
    pub client: Namespace,
    pub server: Namespace,
    pub director: Namespace,
}

impl Network {
    /// The hosts have no addresses yet, so they answer nothing.
    pub fn new() -> Self {
        let network = Self {
            client: Namespace::new(),
            server: Namespace::new(),
            director: Namespace::new(),
        };
        let mtu = 9000;
        for (name, host) in SIDES.into_iter().zip(network.hosts()) {
            let [directors, hosts] = [DIRECTORS_MAC, HOSTS_MAC].map(text);
            ip(&format!(
                "link add {name} mtu {mtu} address {directors} type veth \
                 peer name {INTERFACE} mtu {mtu} address {hosts} netns {}",
                host.path()
            ));
            ip(&format!("link set {name} up"));
            host.enter();
            ip(&format!("link set {INTERFACE} up"));
            wait_until_up(INTERFACE);
            network.director.enter();
            wait_until_up(name);
        }
        network
    }

    /// Gives the hosts the addresses of `flow.rs` and `packet6.rs`.
    pub fn add_addresses(&self) {
        for family in FAMILIES {
            let Session {
                client,
                vip,
                local_ip,
                server,
            } = family.session();
            self.client.enter();
            connect(client.ip(), vip.ip());
            self.server.enter();
            connect(server.ip(), local_ip.ip());
        }
    }

    /// The hosts in the order of `SIDES`.
    pub fn hosts(&self) -> [&Namespace; 2] {
        [&self.client, &self.server]
    }
}

/// Gives the host its address, and a route and neighbour entry for the other end.
fn connect(own: IpAddr, other: IpAddr) {
    let no_detection = if own.is_ipv6() { "nodad" } else { "" };
    ip(&format!(
        "address add {own} peer {other} dev {INTERFACE} {no_detection}"
    ));
    ip(&format!(
        "neighbour add {other} lladdr {} dev {INTERFACE} nud permanent",
        text(DIRECTORS_MAC)
    ));
    // IPv6 adds the routes of an address after the command has ended.
    let family = if own.is_ipv6() { "-6" } else { "-4" };
    wait_until(|| {
        let routes = ip(&format!("{family} route show table all"));
        [format!("local {own} "), format!("{other} ")]
            .iter()
            .all(|route| routes.lines().any(|line| line.starts_with(route)))
    });
}

/// Waits for the kernel to notice the link, which happens after the command has ended.
/// Until then the kernel drops outgoing packets, and IPv6 has no routes.
fn wait_until_up(interface: &str) {
    wait_until(|| ip(&format!("link show dev {interface}")).contains("state UP"));
}

#[track_caller]
fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "the network is not ready");
        thread::sleep(Duration::from_millis(1));
    }
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn ip(arguments: &str) -> String {
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
    String::from_utf8(output.stdout).unwrap()
}
