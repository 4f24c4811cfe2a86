// SPDX-License-Identifier: GPL-2.0-only
//! A client, a director and a server in their own namespaces. The director is set up for
//! one path.
//!
//!   client eth0 ── eth0 director eth1 ── eth0 server
//!
//! Client and server send from a device of their own, see `NIC`.
//!
//! Neighbours are static, since no host answers. A program at the client and at the
//! server counts and drops all frames that arrive. On the path `drop`, it is at the
//! director's interfaces.

use crate::flow::{
    self, CLIENT_MAC, CLIENTS, DIRECTOR_CLIENT_MAC, DIRECTOR_SERVER_MAC, Direction, FAMILIES,
    Family, LOCAL_IPS, SERVER_MAC,
};
use crate::namespace::Namespace;
use crate::packet_socket::PacketSocket;
use crate::path::Path;
use crate::programs::{self, Arrivals, make_room, redirect};

/// The director's interfaces have fixed numbers: see `programs.bpf.c`.
pub const CLIENT_SIDE: u32 = 11;
pub const SERVER_SIDE: u32 = 12;

pub struct Network {
    pub path: Path,
    pub director: Namespace,
    client: Host,
    server: Host,
    /// The arrived frames of the original direction.
    originals: Arrivals,
    replies: Arrivals,
}

/// One end of a network.
struct Host {
    socket: PacketSocket,
    namespace: Namespace,
}

impl Host {
    fn at(namespace: Namespace) -> Self {
        let socket = namespace.within(|| PacketSocket::at("nic").expect("a packet socket"));
        Host { socket, namespace }
    }
}

impl Network {
    /// `set_up` configures the director for the path.
    pub fn lay_out(path: Path, set_up: impl FnOnce(&Namespace)) -> Self {
        let [client, director, server] = [(); 3].map(|()| Namespace::new());
        wire(&client, &director, &server);
        for (namespace, interface) in [
            (&client, "eth0"),
            (&director, "eth0"),
            (&director, "eth1"),
            (&server, "eth0"),
        ] {
            make_room(namespace, interface);
        }
        set_up(&director);
        let arrivals = |end: &Namespace, interface| end.within(|| Arrivals::at(interface));
        let (originals, replies) = match path {
            Path::Drop => (arrivals(&director, "eth0"), arrivals(&director, "eth1")),
            _ => (arrivals(&server, "eth0"), arrivals(&client, "eth0")),
        };
        Network {
            path,
            director,
            client: Host::at(client),
            server: Host::at(server),
            originals,
            replies,
        }
    }

    /// The hosts where frames of a direction enter and leave the network.
    fn ends(&self, direction: Direction) -> (&Host, &Host) {
        match direction {
            Direction::Original => (&self.client, &self.server),
            Direction::Reply => (&self.server, &self.client),
        }
    }

    pub fn send(&self, direction: Direction, frames: &[Vec<u8>]) {
        let socket = &self.ends(direction).0.socket;
        socket.send(frames).expect("frames are sent");
    }

    /// The number of frames that have arrived at the far end of a direction.
    pub fn arrived(&self, direction: Direction) -> u64 {
        match direction {
            Direction::Original => &self.originals,
            Direction::Reply => &self.replies,
        }
        .count()
    }

    /// Runs the job and returns the frames that arrive at the far end.
    pub fn overheard(&self, direction: Direction, job: impl FnOnce()) -> Vec<Vec<u8>> {
        let far = &self.ends(direction).1.namespace;
        let listener = far.within(|| PacketSocket::listening("eth0").expect("a packet socket"));
        job();
        listener.heard().expect("a packet socket")
    }

    /// Checks that the director has only the neighbours that it was given, and room for
    /// nearly every flow. With half as many flows as there is room for, one in 250 finds
    /// its set full.
    pub fn check(&self) {
        if self.path.is_ours() {
            let full = self.counter("flows_full");
            let fast = self.counter("fast_packets_original") + self.counter("fast_packets_reply");
            assert!(full * 100 <= fast, "{}: {full} of {fast}", self.path.name());
        }
        let unresolved = ["incomplete", "failed", "stale", "delay", "probe"];
        for state in unresolved {
            let neighbours = self.director.run("ip", &["neigh", "show", "nud", state]);
            assert_eq!(neighbours, "", "{}: {state} neighbours", self.path.name());
        }
    }

    /// The reasons why full NAT may have dropped packets.
    pub fn counters(&self) -> String {
        if !self.path.is_ours() {
            return String::new();
        }
        format!("\n{}", self.director.proc_net("ip_vs_bpf/stats"))
    }

    /// A counter of full NAT.
    pub fn counter(&self, name: &str) -> u64 {
        full_nat_counter(&self.director, name)
    }

    /// Runs the job while frames reach the director with verified checksums, as from a
    /// device that verifies them.
    pub fn with_verified_checksums(networks: &[&Network], job: impl FnOnce()) {
        let verify = |network: &&Network| {
            network
                .director
                .within(|| ["eth0", "eth1"].map(programs::verified))
        };
        let programs: Vec<_> = networks.iter().map(verify).collect();
        job();
        for (network, programs) in networks.iter().zip(programs) {
            network.director.within(|| drop(programs));
        }
    }
}

/// A counter of the module.
pub fn full_nat_counter(director: &Namespace, name: &str) -> u64 {
    let counters = director.proc_net("ip_vs_bpf/stats");
    let mut lines = counters.lines().filter_map(|line| line.split_once(' '));
    let value = lines.find_map(|(word, value)| (word == name).then(|| value.parse()));
    value.expect(name).expect("a number")
}

/// A device whose frames have 64 bytes free before them, as drivers of network cards leave
/// (`NET_SKB_PAD`). A veth leaves none, so whatever makes a packet longer would have to copy it.
/// A port of a bridge leaves as much as the bridge's other ports need, here a tunnel. Both stay
/// down. From `wire` the frames are redirected to eth0, whose other end must not have this need.
const NIC: &str = "link add nic type veth peer name wire
     link add bridge type bridge
     link add tunnel type vxlan id 1 dstport 4789
     link set tunnel master bridge
     link set nic master bridge
     link set nic up
     link set wire up";

fn wire(client: &Namespace, director: &Namespace, server: &Namespace) {
    director.ip(&format!(
        "link set lo up
         link add eth0 index {CLIENT_SIDE} address {} type veth peer name eth0 address {} netns {}
         link add eth1 index {SERVER_SIDE} address {} type veth peer name eth0 address {} netns {}",
        mac(DIRECTOR_CLIENT_MAC),
        mac(CLIENT_MAC),
        client.path(),
        mac(DIRECTOR_SERVER_MAC),
        mac(SERVER_MAC),
        server.path(),
    ));
    for end in [client, server] {
        end.sysctl("net.ipv6.conf.all.disable_ipv6=1");
        end.ip(NIC);
        end.ip("link set eth0 up");
        make_room(end, "wire");
        end.within(|| redirect("wire", "eth0"));
    }
    configure(director, ["eth0", "eth1"]);
}

/// Makes a director of a namespace, with these interfaces for the networks of the clients
/// and of the server.
pub fn configure(director: &Namespace, sides: [&str; 2]) {
    // Only the frames of the benchmark may be sent.
    director.sysctl("net.ipv6.conf.all.autoconf=0");
    director.sysctl("net.ipv6.conf.all.accept_dad=0");
    director.sysctl("net.ipv6.conf.default.router_solicitations=0");
    for side in sides {
        director.sysctl(&format!("net.ipv6.conf.{side}.router_solicitations=0"));
        director.ip(&format!("link set {side} up"));
    }
    director.sysctl("net.ipv4.ip_forward=1");
    for interface in ["all", sides[0], sides[1]] {
        director.sysctl(&format!("net.ipv4.conf.{interface}.rp_filter=0"));
    }
    // The local IPs are addresses of the director. All their ports are for sessions.
    director.sysctl("net.ipv4.ip_local_reserved_ports=1024-65535");
    director.sysctl("net.ipv6.conf.all.forwarding=1");
    director.ip(&addresses(sides));
}

pub fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// In IPv6, VIPs and local IPs are local by their networks: masquerading looks at every
/// address of an interface, so single addresses would make it slower. In IPv4, local
/// networks would make routing slower, because it validates each source.
fn addresses([clients, servers]: [&str; 2]) -> String {
    let (client_mac, server_mac) = (mac(CLIENT_MAC), mac(SERVER_MAC));
    let mut lines = String::new();
    for family in FAMILIES {
        let (long, nodad) = match family {
            Family::Ipv4 => (16, ""),
            Family::Ipv6 => (64, "nodad"),
        };
        for (network, interface) in [(1, clients), (2, servers)] {
            let own = flow::address(family, network, 1);
            lines += &format!("addr add {own}/{long} dev {interface} {nodad}\n");
        }
        match family {
            Family::Ipv4 => {
                lines += &format!("addr add {}/32 dev lo\n", flow::vip(family, 0));
                for number in 0..LOCAL_IPS {
                    lines += &format!("addr add {}/32 dev lo\n", flow::local_ip(family, number));
                }
            }
            Family::Ipv6 => {
                lines += &format!(
                    "route add local {}/64 dev lo\n",
                    flow::address(family, 0, 0)
                );
                lines += &format!("route add local {}/120 dev lo\n", flow::local_ip(family, 0));
            }
        }
        for number in 0..CLIENTS {
            let address = flow::client(family, number);
            lines += &format!("neigh add {address} lladdr {client_mac} dev {clients}\n");
        }
        let address = flow::server(family);
        lines += &format!("neigh add {address} lladdr {server_mac} dev {servers}\n");
    }
    lines
}

// The prefix above has room for all local IPs.
const _: () = assert!(LOCAL_IPS <= 256);
