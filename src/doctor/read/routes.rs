// SPDX-License-Identifier: GPL-2.0-only
//! What the kernel would do with packets for each server: `RTM_GETROUTE`.

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
use crate::rtnetlink::ask;

pub fn read(wanted: &State) -> Routes {
    let services = wanted.services.values();
    let servers: BTreeSet<IpAddr> = services
        .flat_map(|service| service.servers.keys())
        .map(|server| server.ip())
        .collect();
    let of = |server: IpAddr| match route(server) {
        Ok(route) => (server, route),
        Err(error) => (server, Route::None(error.to_string())),
    };
    servers.into_iter().map(of).collect()
}

fn route(server: IpAddr) -> io::Result<Route> {
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
    let answers = ask(RouteNetlinkMessage::GetRoute(request), NLM_F_ACK)?;
    let answer = answers.iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route) => Some(route),
        _ => None,
    });
    let none = |reason: &str| Ok(Route::None(reason.to_owned()));
    let Some(answer) = answer else {
        return none("the kernel named none");
    };
    match answer.header.kind {
        RouteType::Local => return Ok(Route::Local),
        RouteType::Unicast => {}
        // IPv6 answers with the route that refuses.
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
