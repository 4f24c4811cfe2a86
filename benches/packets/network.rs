// SPDX-License-Identifier: GPL-2.0-only
//! A client, a director and a server in namespaces of their own, with the
//! director set up for one path.
//!
//!   client eth0 ── eth0 director eth1 ── eth0 server
//!
//! Neighbours are static, since no one answers. Whatever reaches the client or
//! the server is counted by its interface and then dropped by a tc filter.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path as FilePath;
use std::process::{Command, Stdio};

use nix::sched::{CloneFlags, setns};

use crate::flow::{
    self, CLIENT_MAC, CLIENTS, DIRECTOR_CLIENT_MAC, DIRECTOR_SERVER_MAC, Direction, Family,
    SERVER_MAC, SERVER_PORT, VIP_PORT,
};
use crate::generator::Generator;
use crate::path::Path;

/// The director's interfaces, by fixed numbers: see `programs.bpf.c`.
const CLIENT_SIDE: u32 = 11;
const SERVER_SIDE: u32 = 12;

/// Priorities of the bench's filters; those of ipvs-bpf lie between.
const FIRST: u32 = 1;
const LAST: u32 = 60_000;

pub struct Network {
    pub path: Path,
    client: Host,
    server: Host,
}

/// One end of a network.
struct Host {
    generator: Generator,
    /// `/proc/net/dev` of its namespace.
    interfaces: File,
}

impl Host {
    fn enter(namespace: &str) -> Self {
        let open = |path: &FilePath| File::open(path).expect("a file of procfs");
        let here = open(FilePath::new("/proc/thread-self/ns/net"));
        let there = open(&FilePath::new("/run/netns").join(namespace));
        setns(there, CloneFlags::CLONE_NEWNET).expect("root");
        let host = Host {
            generator: Generator::at("eth0").expect("a packet socket"),
            interfaces: open(FilePath::new("/proc/thread-self/net/dev")),
        };
        setns(here, CloneFlags::CLONE_NEWNET).expect("root");
        host
    }

    /// The packets that eth0 received, ever.
    fn received(&self) -> u64 {
        let mut text = String::new();
        let mut file = &self.interfaces;
        file.rewind().expect("procfs");
        file.read_to_string(&mut text).expect("procfs");
        let line = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix("eth0:"));
        let packets = line.and_then(|line| line.split_whitespace().nth(1));
        packets
            .and_then(|number| number.parse().ok())
            .expect("eth0")
    }
}

impl Network {
    pub fn lay_out(path: Path) -> Self {
        let name = |host: &str| namespace(path, host);
        for host in ["client", "director", "server"] {
            run("ip", &["netns", "add", &name(host)]);
        }
        wire(path);
        for (host, interface) in [
            ("client", "eth0"),
            ("director", "eth0"),
            ("director", "eth1"),
            ("server", "eth0"),
        ] {
            tc(&name(host), &format!("qdisc add dev {interface} clsact"));
        }
        match path {
            Path::Drop => {
                for interface in ["eth0", "eth1"] {
                    drop_all(&name("director"), interface);
                }
            }
            Path::TcRedirect => {
                attach(&name("director"), "eth0", LAST, "classifier/to_server");
                attach(&name("director"), "eth1", LAST, "classifier/to_client");
            }
            Path::Route => {}
            Path::Ipvs => ipvs(&name("director")),
            Path::IpvsMasquerade => {
                sysctl(&name("director"), "net.ipv4.vs.conntrack=1");
                masquerade(&name("director"));
                ipvs(&name("director"));
            }
            Path::IpvsBpf | Path::IpvsBpfFast => apply(path, 1, 1),
        }
        for host in ["client", "server"] {
            drop_all(&name(host), "eth0");
        }
        Network {
            path,
            client: Host::enter(&name("client")),
            server: Host::enter(&name("server")),
        }
    }

    /// Frames of a direction enter where they would.
    pub fn send(&self, direction: Direction, frames: &[Vec<u8>], count: usize) {
        let host = match direction {
            Direction::Original => &self.client,
            Direction::Reply => &self.server,
        };
        host.generator.send(frames, count).expect("frames are sent");
    }

    /// How many frames ever came out at the far end of a direction.
    pub fn arrived(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Original => &self.server,
            Direction::Reply => &self.client,
        }
        .received()
    }

    /// Why full NAT may have dropped something.
    pub fn counters(&self) -> String {
        if !self.path.is_ours() {
            return String::new();
        }
        let director = namespace(self.path, "director");
        let file = "/proc/net/ip_vs_bpf/stats";
        "\n".to_owned() + &run("ip", &["netns", "exec", &director, "cat", file])
    }

    /// Whether frames reach the director with their checksums verified, as from
    /// a device that does so.
    pub fn verify_checksums(&self, verified: bool) {
        let director = namespace(self.path, "director");
        for interface in ["eth0", "eth1"] {
            if verified {
                attach(&director, interface, FIRST, "classifier/verified");
            } else {
                tc(
                    &director,
                    &format!("filter del dev {interface} ingress prio {FIRST}"),
                );
            }
        }
    }

    /// Full NAT with this many local IPs and services.
    pub fn grow(&self, local_ips: u32, services: u32) {
        apply(self.path, local_ips, services);
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
    // The local IPs are the director's own; all their ports are for sessions.
    sysctl(&director, "net.ipv4.ip_local_reserved_ports=1024-65535");
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

pub const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];

fn drop_all(namespace: &str, interface: &str) {
    tc(
        namespace,
        &format!(
            "filter add dev {interface} ingress prio {LAST} protocol all matchall action drop"
        ),
    );
}

/// Compiles the bench's programs; the object's file.
fn programs() -> &'static str {
    const OBJECT: &str = "/tmp/programs.o";
    if !FilePath::new(OBJECT).exists() {
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/packets/programs.bpf.c"
        );
        let include = "-I/usr/include/x86_64-linux-gnu";
        run(
            "clang",
            &["-O2", "-target", "bpf", include, "-c", source, "-o", OBJECT],
        );
    }
    OBJECT
}

fn attach(namespace: &str, interface: &str, priority: u32, section: &str) {
    let object = programs();
    tc(
        namespace,
        &format!(
            "filter add dev {interface} ingress prio {priority} bpf direct-action object-file {object} section {section}"
        ),
    );
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
fn apply(path: Path, local_ips: u32, services: u32) {
    let namespace = &namespace(path, "director");
    let fast_path = path == Path::IpvsBpfFast;
    let mut file = format!(
        "[director]\ninterfaces = [\"eth0\", \"eth1\"]\nmax_sessions = 1_100_000\n\
         fast_path = {fast_path}\n[local_ips.default]\naddresses = ["
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
