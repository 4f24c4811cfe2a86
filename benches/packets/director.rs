// SPDX-License-Identifier: GPL-2.0-only
//! A director that is set up for one path.

use std::net::SocketAddr;

use crate::flow::{self, FAMILIES, Family, LOCAL_IPS, Protocol, SERVER_PORT, VIP_PORT};
use crate::leases;
use crate::namespace::{self, Namespace};
use crate::network::Network;
use crate::nft;
use crate::path::Path;
use crate::programs::redirect;

/// The size of this project's full NAT, apart from one server for each family.
#[derive(Clone, Copy)]
pub struct FullNat<'a> {
    pub interfaces: &'a [&'a str],
    pub families: &'a [Family],
    pub protocols: &'a [Protocol],
    /// The number of VIPs. Each has services of all the families and protocols above.
    pub services: u32,
    pub local_ips: u32,
    pub max_sessions: u32,
}

/// A service for each family and protocol.
pub const USUAL: FullNat = FullNat {
    interfaces: &["eth0", "eth1"],
    families: &FAMILIES,
    protocols: &[Protocol::Tcp, Protocol::Udp],
    services: 1,
    local_ips: 1,
    max_sessions: 200_000,
};

/// Full NAT of increasing size, see `growth.rs`.
pub const GROWING: FullNat = FullNat {
    interfaces: &["eth0", "eth1"],
    families: &[Family::Ipv4],
    protocols: &[Protocol::Udp],
    services: 1,
    local_ips: LOCAL_IPS,
    max_sessions: 1_100_000,
};

/// A network of its own for the path.
pub fn lay_out(path: Path, full_nat: FullNat) -> Network {
    Network::lay_out(path, |director| set_up(director, path, full_nat))
}

pub fn set_up(director: &Namespace, path: Path, full_nat: FullNat) {
    match path {
        Path::TcRedirect => {
            director.within(|| {
                redirect("eth0", "eth1");
                redirect("eth1", "eth0");
            });
        }
        // drivers/cards.rs attaches the programs of the bench at XDP.
        Path::Drop | Path::Route | Path::XdpDrop | Path::XdpRedirect => {}
        Path::Ipvs => ipvs(director),
        Path::IpvsMasquerade => {
            director.sysctl("net.ipv4.vs.conntrack=1");
            nft::masquerade(director).expect("nft takes it");
            ipvs(director);
        }
        Path::NftMasquerade => nft::set_up(director).expect("nft takes it"),
        Path::NftFlowtable => {
            nft::set_up(director)
                .and_then(|()| nft::add_flowtable(director))
                .expect("nft takes it");
        }
        Path::XdpForward => {
            set_up(director, Path::NftFlowtable, full_nat);
            director
                .feed(XDP_FORWARD, &LOAD_XDP_FORWARD, "")
                .expect("this kernel has not refused it");
        }
        Path::IpvsBpf | Path::IpvsBpfFast | Path::IpvsBpfXdp | Path::IpvsBpfToa => {
            apply(director, path, full_nat);
        }
        Path::FastAlone => leases::set_up(director, full_nat.max_sessions),
    }
}

const XDP_FORWARD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lab/software/xdp-forward.sh");

const LOAD_XDP_FORWARD: [&str; 5] = ["load", "-f", "flowtable", "eth0", "eth1"];
const UNLOAD_XDP_FORWARD: [&str; 3] = ["unload", "eth0", "eth1"];

/// The reason why this kernel does not load xdp-forward, if it does not. Tries it, at the
/// interfaces of the caller's network namespace.
pub fn xdp_forward_refused() -> Option<String> {
    // The function by which it looks into a flowtable is a module's.
    namespace::run("modprobe", &["nf_flow_table"]);
    match namespace::feed(XDP_FORWARD, &LOAD_XDP_FORWARD, "") {
        Ok(()) => {
            let unloaded = namespace::feed(XDP_FORWARD, &UNLOAD_XDP_FORWARD, "");
            unloaded.expect("xdp-forward");
            None
        }
        Err(error) => {
            // The lines of libbpf and the verifier come first.
            let mut lines = error.lines().filter(|line| !line.contains("libxdp"));
            let told = lines.rfind(|line| line.contains("doesn't") || line.contains("not found"));
            Some(told.or(error.lines().last()).unwrap_or_default().to_owned())
        }
    }
}

/// Takes the programs of `XdpForward` from the interfaces.
pub fn unload_xdp_forward(director: &Namespace) {
    let unloaded = director.feed(XDP_FORWARD, &UNLOAD_XDP_FORWARD, "");
    unloaded.expect("xdp-forward");
}

pub fn service(family: Family) -> SocketAddr {
    SocketAddr::new(flow::vip(family, 0), VIP_PORT)
}

pub fn server(family: Family) -> SocketAddr {
    SocketAddr::new(flow::server(family), SERVER_PORT)
}

fn ipvs(director: &Namespace) {
    let mut rules = String::new();
    for family in FAMILIES {
        let (service, server) = (service(family), server(family));
        for option in ["-t", "-u"] {
            rules +=
                &format!("-A {option} {service} -s rr\n-a {option} {service} -r {server} -m\n");
        }
    }
    director
        .feed("ipvsadm", &["-R"], &rules)
        .expect("IPVS takes them");
    keep_connections(director);
}

/// Prevents connections from ending during the benchmark, whatever the clock shows.
fn keep_connections(director: &Namespace) {
    director.run("ipvsadm", &["--set", "7200", "7200", "7200"]);
}

/// Applies this full NAT on the director.
pub fn apply(director: &Namespace, path: Path, full_nat: FullNat) {
    // Without a fast path, no program is at any interface.
    let interfaces = match path.has_leases() {
        true => full_nat.interfaces,
        false => &[],
    };
    let mut file = format!(
        "[director]\ninterfaces = {:?}\nmax_sessions = {}\n\
         xdp = {}\n[timeouts]\nudp_unanswered = \"2h\"\n[local_ips.default]\n\
         client_address = \"{}\"\naddresses = [",
        interfaces,
        full_nat.max_sessions,
        path == Path::IpvsBpfXdp,
        if path == Path::IpvsBpfToa {
            "toa"
        } else {
            "none"
        },
    );
    for family in full_nat.families {
        for number in 0..full_nat.local_ips {
            file += &format!("\"{}\",", flow::local_ip(*family, number));
        }
    }
    file += "]\n";
    for family in full_nat.families {
        let server = server(*family);
        for protocol in full_nat.protocols {
            for number in 0..full_nat.services {
                let vip = SocketAddr::new(flow::vip(*family, number), VIP_PORT);
                file += &format!(
                    "[[service]]\naddress = \"{}://{vip}\"\nscheduler = \"rr\"\nsnat = \"default\"\n\
                     [[service.server]]\naddress = \"{server}\"\n",
                    protocol.name()
                );
            }
        }
    }
    director
        .feed(env!("CARGO_BIN_EXE_ipvs-bpf"), &["apply", "-f", "-"], &file)
        .expect("full NAT");
    keep_connections(director);
}
