// SPDX-License-Identifier: GPL-2.0-only
//! Reads the route to each server: `RTM_GETROUTE`. Packets that come in at an interface of
//! a VRF have the routes of the VRF.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use netlink_packet_core::NLM_F_ACK;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::doctor::routes::{Route, Routes, Way};
use crate::model::State;
use crate::rtnetlink::{self, ask};

pub fn read(wanted: &State) -> Routes {
    let services = wanted.services.values();
    let servers: BTreeSet<IpAddr> = services
        .flat_map(|service| service.servers.keys())
        .map(|server| server.ip())
        .collect();
    let tables = tables(wanted).unwrap_or_else(|_| vec![None]);
    let of = |server: IpAddr| {
        let mut routes = tables.iter().map(|vrf| route(server, *vrf));
        let first = routes.next().unwrap_or(Route::None(String::new()));
        let route = match first {
            Route::None(_) => routes.find(|route| !matches!(route, Route::None(_))),
            _ => None,
        };
        (server, route.unwrap_or(first))
    };
    servers.into_iter().map(of).collect()
}

/// The routing tables of full NAT, by VRF. `None`: the tables without a VRF. First those of
/// the listed interfaces. The rest follows because a file need not list any.
fn tables(wanted: &State) -> io::Result<Vec<Option<u32>>> {
    let ports = rtnetlink::links()?;
    let vrfs: Vec<u32> = ports
        .iter()
        .filter(|port| port.kind == "vrf")
        .map(|port| port.index)
        .collect();
    let listed = wanted.datapath.iter();
    let listed: BTreeSet<&String> = listed.flat_map(|path| &path.interfaces).collect();
    let mut tables: Vec<Option<u32>> = ports
        .iter()
        .filter(|port| listed.contains(&port.name))
        .filter(|port| vrfs.contains(&port.master))
        .map(|port| Some(port.master))
        .collect();
    tables.push(None);
    tables.extend(vrfs.into_iter().map(Some));
    Ok(tables)
}

fn route(server: IpAddr, vrf: Option<u32>) -> Route {
    ask_route(server, vrf).unwrap_or_else(|error| Route::None(error.to_string()))
}

fn ask_route(server: IpAddr, vrf: Option<u32>) -> io::Result<Route> {
    let mut request = RouteMessage::default();
    let (family, length, destination) = match server {
        IpAddr::V4(address) => (AddressFamily::Inet, 32, RouteAddress::Inet(address)),
        IpAddr::V6(address) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(address)),
    };
    request.header.address_family = family;
    request.header.destination_prefix_length = length;
    request
        .attributes
        .push(RouteAttribute::Destination(destination));
    request.attributes.extend(vrf.map(RouteAttribute::Oif));
    let answers = ask(RouteNetlinkMessage::GetRoute(request), NLM_F_ACK)?;
    let answer = answers.iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route) => Some(route),
        _ => None,
    });
    let none = |reason: &str| Ok(Route::None(reason.to_owned()));
    let Some(answer) = answer else {
        return none("the kernel gave no reason");
    };
    match answer.header.kind {
        RouteType::Local => return Ok(Route::Local),
        RouteType::Unicast => {}
        // IPv6 returns the route that refuses packets.
        _ => return none("the route refuses packets (unreachable, prohibit or blackhole)"),
    }
    Ok(Route::Via(way(answer)))
}

fn way(answer: &RouteMessage) -> Way {
    let mut way = Way::default();
    for attribute in &answer.attributes {
        match attribute {
            RouteAttribute::Oif(index) => way.link = *index,
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => {
                way.gateway = Some((*address).into());
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(address)) => {
                way.gateway = Some((*address).into());
            }
            RouteAttribute::Metrics(metrics) => {
                way.mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(mtu) if *mtu > 0 => Some(*mtu),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    way
}
