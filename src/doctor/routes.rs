// SPDX-License-Identifier: GPL-2.0-only
//! Checks the routes to the servers and back, as far as this host knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::finding::Severity::{Error, Note, Warning};
use super::{Facts, Finding};
use crate::model::{Family, Forward, Tunnel};

/// The routes, by the address of the server.
pub type Routes = BTreeMap<IpAddr, Route>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    Via(Way),
    /// The server is this host.
    Local,
    /// There is no route, for the kernel's reason.
    None(String),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Way {
    pub link: u32,
    pub gateway: Option<IpAddr>,
    /// The MTU of the route, if it has its own.
    pub mtu: Option<u32>,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for (server, route) in &facts.routes {
        match route {
            Route::Local => {}
            Route::None(reason) => findings.push(Finding::about(
                server,
                Error,
                "server-no-route",
                format!("there is no route to the server {server}: {reason}"),
                "its connections fail",
                format!("ip route add {server} via ROUTER"),
            )),
            Route::Via(way) => neighbour(facts, *server, way, findings),
        }
    }
    for (server, pools) in servers_of_full_nat(facts) {
        match facts.routes.get(&server) {
            Some(Route::Via(way)) => full_nat(facts, server, &pools, way, findings),
            Some(Route::Local) => findings.push(Finding::about(
                server,
                Note,
                "server-local",
                format!("the server {server} is this host"),
                "its connections are native: it sees the client's address, not a local IP",
                "nothing, if that is intended; otherwise run it on another host",
            )),
            _ => {}
        }
    }
    tunnels(facts, findings);
}

fn servers_of_full_nat(facts: &Facts) -> BTreeMap<IpAddr, BTreeSet<&String>> {
    let mut servers: BTreeMap<IpAddr, BTreeSet<&String>> = BTreeMap::new();
    for (key, service) in &facts.wanted.services {
        let Some(pool) = facts.pool_of(key) else {
            continue;
        };
        for server in service.servers.keys() {
            servers.entry(server.ip()).or_default().insert(pool);
        }
    }
    servers
}

fn neighbour(facts: &Facts, server: IpAddr, way: &Way, findings: &mut Vec<Finding>) {
    let hop = way.gateway.unwrap_or(server);
    let silent = facts
        .links
        .neighbours
        .iter()
        .any(|known| known.link == way.link && known.address == hop && !known.answers);
    if !silent {
        return;
    }
    let what = match way.gateway {
        Some(router) => format!("the router {router} towards the server {server} does not answer"),
        None => format!("the server {server} does not answer"),
    };
    let question = if hop.is_ipv4() {
        "ARP"
    } else {
        "neighbour discovery"
    };
    findings.push(Finding::about(
        server,
        Error,
        "server-unreachable",
        format!("{what} {question}"),
        "its connections fail",
        format!("check whether it is up: ping {hop}; until then drain it"),
    ));
}

fn full_nat(
    facts: &Facts,
    server: IpAddr,
    pools: &BTreeSet<&String>,
    way: &Way,
    findings: &mut Vec<Finding>,
) {
    let Some(link) = facts.links.by_index(way.link) else {
        return;
    };
    if !facts.interfaces().any(|name| *name == link.name) {
        let cure = if link.ethernet {
            format!(
                "add {} to [director] interfaces, then: {}",
                link.name,
                facts.apply()
            )
        } else {
            "nothing: the fast path needs Ethernet, and full NAT works without it".to_owned()
        };
        findings.push(Finding::about(
            server,
            Note,
            "server-other-interface",
            format!(
                "the route to the server {server} leaves by {}, which is not in [director] interfaces",
                link.name
            ),
            "its answers arrive there and do not take the fast path",
            cure,
        ));
    }
    let mtu = way.mtu.unwrap_or(link.mtu);
    let widest = facts
        .interfaces()
        .filter_map(|name| facts.links.by_name(name))
        .max_by_key(|link| link.mtu);
    if let Some(widest) = widest.filter(|widest| widest.mtu > mtu) {
        findings.push(Finding::about(
            server,
            Warning,
            "mtu",
            format!(
                "packets to the server {server} may have {mtu} bytes, packets at {} {}",
                widest.name, widest.mtu
            ),
            "clients learn this only by path-MTU discovery, which fails where ICMP is filtered",
            format!(
                "ip link set {} mtu {mtu}, or raise the MTU on the path to the server",
                widest.name
            ),
        ));
    }
    // Without a router, the server replies directly to addresses in its own
    // network.
    if way.gateway.is_some() {
        return;
    }
    for pool in pools {
        for local_ip in facts.local_ips_of(pool, Family::of(server)) {
            if facts.links.on_link(local_ip) != Some(way.link) {
                findings.push(Finding::about(
                    format_args!("{local_ip} and {server}"),
                    Note,
                    "server-way-back",
                    format!(
                        "the local IP {local_ip} is not in the network of {}, where the server \
                         {server} is",
                        link.name
                    ),
                    "it can answer only if it has a route to the local IP through this host",
                    format!(
                        "on the server: ip route add {local_ip} via an address of {}",
                        link.name
                    ),
                ));
            }
        }
    }
}

/// Checks the MTU for the headers that a tunnel adds: an IPv4 or IPv6 header,
/// and its own.
fn tunnels(facts: &Facts, findings: &mut Vec<Finding>) {
    for service in facts.wanted.services.values() {
        for (address, server) in &service.servers {
            let (Forward::Tunnel(tunnel), Some(Route::Via(way))) =
                (&server.forward, facts.routes.get(&address.ip()))
            else {
                continue;
            };
            let Some(link) = facts.links.by_index(way.link) else {
                continue;
            };
            let outer = if address.is_ipv4() { 20 } else { 40 };
            let own = match tunnel {
                Tunnel::Ipip => 0,
                Tunnel::Gue { .. } => 12,
                Tunnel::Gre { .. } => 8,
            };
            let room = way.mtu.unwrap_or(link.mtu).saturating_sub(outer + own);
            let widest = facts
                .links
                .links
                .iter()
                .filter(|link| link.up && link.name != "lo");
            if widest
                .map(|link| link.mtu)
                .max()
                .is_some_and(|mtu| mtu > room)
            {
                findings.push(Finding::about(
                    address.ip(),
                    Note,
                    "mtu-tunnel",
                    format!(
                        "the tunnel to the server {} has room for {room} bytes",
                        address.ip()
                    ),
                    "larger packets are answered with an ICMP error, which must reach the client",
                    format!(
                        "ip link set {} mtu {}, if the network can carry it",
                        link.name,
                        link.mtu + outer + own
                    ),
                ));
            }
        }
    }
}
