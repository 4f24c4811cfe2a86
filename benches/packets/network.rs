// SPDX-License-Identifier: GPL-2.0-only
//! A client, a director and a server in namespaces of their own, with the
//! director set up for one path.
//!
//!   client eth0 ── eth0 director eth1 ── eth0 server
//!
//! Neighbours are static, since no one answers. Whatever reaches the client or
//! the server is counted by its interface and then dropped by a tc filter.

use std::fs::File;
use std::io::Write;
use std::path::Path as FilePath;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};

use crate::flow::{
    self, CLIENT_MAC, CLIENTS, DIRECTOR_CLIENT_MAC, DIRECTOR_SERVER_MAC, Direction, Family,
    SERVER_MAC, SERVER_PORT, VIP_PORT,
};
use crate::generator::Generator;
use crate::path::Path;

/// The director's interfaces, by fixed numbers: see `redirect.bpf.c`.
const CLIENT_SIDE: u32 = 11;
const SERVER_SIDE: u32 = 12;

pub struct Network {
    pub path: Path,
    client: Generator,
    server: Generator,
}

impl Network {
    pub fn lay_out(path: Path) -> Self {
        let name = |host: &str| namespace(path, host);
        for host in ["client", "director", "server"] {
            run("ip", &["netns", "add", &name(host)]);
        }
        wire(path);
        match path {
            Path::Drop => {
                for interface in ["eth0", "eth1"] {
                    drop_all(&name("director"), interface);
                }
            }
            Path::TcRedirect => redirect(&name("director")),
            Path::Route => {}
            Path::Ipvs => ipvs(&name("director")),
            Path::IpvsMasquerade => {
                sysctl(&name("director"), "net.ipv4.vs.conntrack=1");
                masquerade(&name("director"));
                ipvs(&name("director"));
            }
            Path::IpvsBpf => apply(&name("director"), 1, 1),
        }
        for host in ["client", "server"] {
            drop_all(&name(host), "eth0");
        }
        let generator = |host| {
            let here = File::open("/proc/thread-self/ns/net").expect("our own namespace");
            let there = File::open(FilePath::new("/run/netns").join(name(host))).expect(host);
            setns(there, CloneFlags::CLONE_NEWNET).expect("root");
            let generator = Generator::at("eth0").expect("a packet socket");
            setns(here, CloneFlags::CLONE_NEWNET).expect("root");
            generator
        };
        Network {
            path,
            client: generator("client"),
            server: generator("server"),
        }
    }

    /// Frames of a direction enter where they would.
    pub fn send(&self, direction: Direction, frames: &[Vec<u8>], count: usize) {
        let generator = match direction {
            Direction::Original => &self.client,
            Direction::Reply => &self.server,
        };
        generator.send(frames, count).expect("frames are sent");
    }

    /// How many frames ever came out at the far end of a direction.
    pub fn arrived(&self, direction: Direction) -> u64 {
        let host = match direction {
            Direction::Original => "server",
            Direction::Reply => "client",
        };
        let path = "/sys/class/net/eth0/statistics/rx_packets";
        let namespace = namespace(self.path, host);
        let text = run("ip", &["netns", "exec", &namespace, "cat", path]);
        text.trim().parse().expect("a number")
    }

    /// Full NAT with this many local IPs and services.
    pub fn grow(&self, local_ips: u32, services: u32) {
        apply(&namespace(self.path, "director"), local_ips, services);
    }
}

fn namespace(path: Path, host: &str) -> String {
    format!("{}-{host}", path.name())
}

fn wire(path: Path) {
    let [client, director, server] =
        ["client", "director", "server"].map(|host| namespace(path, host));
    let mac = |mac: [u8; 6]| mac.map(|byte| format!("{byte:02x}")).join(":");
    batch(
        &director,
        &format!(
            "link set lo up
             link add eth0 index {CLIENT_SIDE} address {} type veth peer name eth0 address {} netns {client}
             link add eth1 index {SERVER_SIDE} address {} type veth peer name eth0 address {} netns {server}",
            mac(DIRECTOR_CLIENT_MAC),
            mac(CLIENT_MAC),
            mac(DIRECTOR_SERVER_MAC),
            mac(SERVER_MAC),
        ),
    );
    for host in [&client, &director, &server] {
        // Nothing but the bench's own frames.
        sysctl(host, "net.ipv6.conf.all.autoconf=0");
        sysctl(host, "net.ipv6.conf.all.accept_dad=0");
        sysctl(host, "net.ipv6.conf.default.router_solicitations=0");
        sysctl(host, "net.ipv6.conf.eth0.router_solicitations=0");
    }
    sysctl(&client, "net.ipv6.conf.all.disable_ipv6=1");
    sysctl(&server, "net.ipv6.conf.all.disable_ipv6=1");
    batch(&client, "link set eth0 up");
    batch(&server, "link set eth0 up");
    batch(&director, "link set eth0 up\nlink set eth1 up");
    sysctl(&director, "net.ipv4.ip_forward=1");
    sysctl(&director, "net.ipv6.conf.all.forwarding=1");
    let mut lines = String::new();
    for family in FAMILIES {
        let (long, whole) = match family {
            Family::Ipv4 => (16, 32),
            Family::Ipv6 => (64, 128),
        };
        let nodad = if family == Family::Ipv6 { "nodad" } else { "" };
        for (network, interface) in [(1, "eth0"), (2, "eth1")] {
            let own = flow::address(family, network, 1);
            lines += &format!("addr add {own}/{long} dev {interface} {nodad}\n");
        }
        lines += &format!("addr add {}/{whole} dev lo\n", flow::vip(family));
        for number in 0..flow::LOCAL_IPS {
            let local = flow::local_ip(family, number);
            lines += &format!("addr add {local}/{whole} dev lo\n");
        }
        for number in 0..CLIENTS {
            let address = flow::client(family, number);
            lines += &format!("neigh add {address} lladdr {} dev eth0\n", mac(CLIENT_MAC));
        }
        let address = flow::server(family);
        lines += &format!("neigh add {address} lladdr {} dev eth1\n", mac(SERVER_MAC));
    }
    batch(&director, &lines);
}

pub const FAMILIES: [Family; 1] = [Family::Ipv4];

fn drop_all(namespace: &str, interface: &str) {
    tc(namespace, &format!("qdisc add dev {interface} clsact"));
    tc(
        namespace,
        &format!("filter add dev {interface} ingress prio 100 protocol all matchall action drop"),
    );
}

fn redirect(namespace: &str) {
    let object = "/tmp/redirect.o";
    if !FilePath::new(object).exists() {
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/packets/redirect.bpf.c"
        );
        run(
            "clang",
            &[
                "-O2",
                "-target",
                "bpf",
                "-I/usr/include/x86_64-linux-gnu",
                "-c",
                source,
                "-o",
                object,
            ],
        );
    }
    for (interface, section) in [("eth0", "classifier/server"), ("eth1", "classifier/client")] {
        tc(namespace, &format!("qdisc add dev {interface} clsact"));
        tc(
            namespace,
            &format!(
                "filter add dev {interface} ingress prio 100 bpf direct-action object-file {object} section {section}"
            ),
        );
    }
}

fn ipvs(namespace: &str) {
    let mut rules = String::new();
    for family in FAMILIES {
        let (vip, server) = (flow::vip(family), flow::server(family));
        let bracket = |address: std::net::IpAddr, port| std::net::SocketAddr::new(address, port);
        for option in ["-t", "-u"] {
            let service = bracket(vip, VIP_PORT);
            let server = bracket(server, SERVER_PORT);
            rules +=
                &format!("-A {option} {service} -s rr\n-a {option} {service} -r {server} -m\n");
        }
    }
    feed("ip", &["netns", "exec", namespace, "ipvsadm", "-R"], &rules);
    run(
        "ip",
        &[
            "netns", "exec", namespace, "ipvsadm", "--set", "7200", "7200", "7200",
        ],
    );
}

fn masquerade(namespace: &str) {
    let rules = "add table inet nat
add chain inet nat postrouting { type nat hook postrouting priority srcnat; }
add rule inet nat postrouting oifname eth1 masquerade";
    feed("ip", &["netns", "exec", namespace, "nft", "-f", "-"], rules);
    for key in ["udp_timeout", "udp_timeout_stream"] {
        sysctl(namespace, &format!("net.netfilter.nf_conntrack_{key}=7200"));
    }
}

/// Service number 0 is the one that is measured.
fn apply(namespace: &str, local_ips: u32, services: u32) {
    let mut file = String::from(
        "[director]\ninterfaces = [\"eth0\", \"eth1\"]\nmax_sessions = 1_100_000\n[local_ips.default]\naddresses = [",
    );
    for family in FAMILIES {
        for number in 0..local_ips {
            file += &format!("\"{}\",", flow::local_ip(family, number));
        }
    }
    file += "]\n";
    for family in FAMILIES {
        let server = std::net::SocketAddr::new(flow::server(family), SERVER_PORT);
        for protocol in ["tcp", "udp"] {
            for number in 0..services {
                let address = flow::address(family, 0, 1 + number as u16);
                let vip = std::net::SocketAddr::new(address, VIP_PORT);
                file += &format!(
                    "[[service]]\naddress = \"{protocol}://{vip}\"\nscheduler = \"rr\"\nsnat = \"default\"\n\
                     [[service.server]]\naddress = \"{server}\"\n"
                );
            }
        }
    }
    feed(
        env!("CARGO_BIN_EXE_ipvs-bpf"),
        &["--netns", namespace, "apply", "-f", "-"],
        &file,
    );
    run(
        "ip",
        &[
            "netns", "exec", namespace, "ipvsadm", "--set", "7200", "7200", "7200",
        ],
    );
}

fn sysctl(namespace: &str, setting: &str) {
    run(
        "ip",
        &["netns", "exec", namespace, "sysctl", "-qw", setting],
    );
}

fn tc(namespace: &str, words: &str) {
    let mut arguments = vec!["-n", namespace];
    arguments.extend(words.split(' '));
    run("tc", &arguments);
}

fn batch(namespace: &str, lines: &str) {
    feed("ip", &["-n", namespace, "-batch", "-"], lines);
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect(program);
    assert!(output.status.success(), "{program} {arguments:?}");
    String::from_utf8(output.stdout).expect("text")
}

fn feed(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect(program);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect(program);
    drop(stdin);
    assert!(
        child.wait().expect(program).success(),
        "{program} {arguments:?}:\n{input}"
    );
}
