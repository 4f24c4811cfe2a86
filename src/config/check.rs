// SPDX-License-Identifier: GPL-2.0-only
//! What only two places of a file together get wrong.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::diagnostics::{Mistake, Mistakes, Span, closest};
use super::parse::Config;
use super::server::ServerEntry;
use super::service::ServiceEntry;
use crate::model::{Family, Forward, ServiceKey};

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    let mut services: HashMap<&ServiceKey, &Span> = HashMap::new();
    for service in &config.services {
        let Some((key, span)) = &service.key else {
            continue;
        };
        if services.insert(key, span).is_some() {
            mistakes.add(
                Mistake::new(span.clone(), format!("the service {key} is listed twice"))
                    .label("for the second time"),
            );
        }
        port_of_service(service, key, span, mistakes);
        servers(service, key, mistakes);
        full_nat(config, service, key, mistakes);
    }
}

/// Port 0 is every port, which the kernel takes only with persistence.
fn port_of_service(service: &ServiceEntry, key: &ServiceKey, span: &Span, mistakes: &Mistakes) {
    if let ServiceKey::Address { address, .. } = key
        && address.port() == 0
        && service.persistence.is_none()
    {
        mistakes.add(
            Mistake::new(span.clone(), "a service of every port needs persistence")
                .label("port 0")
                .help("add `persistence = { timeout = \"5m\" }`, or name a port"),
        );
    }
}

fn servers(service: &ServiceEntry, key: &ServiceKey, mistakes: &Mistakes) {
    let mut seen: HashMap<SocketAddr, &Span> = HashMap::new();
    for server in &service.servers {
        let Some((address, span)) = &server.address else {
            continue;
        };
        if seen.insert(*address, span).is_some() {
            mistakes.add(
                Mistake::new(
                    span.clone(),
                    format!("the server {address} is listed twice in {key}"),
                )
                .label("for the second time"),
            );
        }
        family_of_server(server, *address, span, key, mistakes);
        port_of_server(server, *address, span, key, mistakes);
    }
}

/// Only tunnels lead from one family to the other (ip_vs_ctl.c,
/// ip_vs_add_dest()).
fn family_of_server(
    server: &ServerEntry,
    address: SocketAddr,
    span: &Span,
    key: &ServiceKey,
    mistakes: &Mistakes,
) {
    let family = Family::of(address.ip());
    if family != key.family() && !matches!(server.server.forward, Forward::Tunnel(_)) {
        mistakes.add(
            Mistake::new(
                span.clone(),
                format!("{key} is {}, its server {family}", key.family()),
            )
            .help("only `forward = \"tunnel\"` joins the two families"),
        );
    }
}

/// Route and tunnel leave the packet as it is.
fn port_of_server(
    server: &ServerEntry,
    address: SocketAddr,
    span: &Span,
    key: &ServiceKey,
    mistakes: &Mistakes,
) {
    let ServiceKey::Address { address: vip, .. } = key else {
        return;
    };
    if server.server.forward != Forward::Masq && address.port() != vip.port() {
        mistakes.add(
            Mistake::new(
                span.clone(),
                format!(
                    "port {} differs from the service's {}",
                    address.port(),
                    vip.port()
                ),
            )
            .label(format!("must be {}", vip.port()))
            .help("only `forward = \"masq\"` changes the port"),
        );
    }
}

fn full_nat(config: &Config, service: &ServiceEntry, key: &ServiceKey, mistakes: &Mistakes) {
    let Some((pool_name, span)) = &service.snat else {
        return;
    };
    match config.pools.get(pool_name) {
        None => {
            let mistake = Mistake::new(
                span.clone(),
                format!("there is no pool of local IPs `{pool_name}`"),
            );
            mistakes.add(
                match closest(pool_name, config.pools.keys().map(String::as_str)) {
                    Some(meant) => mistake.label(format!("did you mean `{meant}`?")),
                    None => mistake.help(format!("describe it: [local_ips.{pool_name}]")),
                },
            );
        }
        Some(pool) if !pool.has(key.family()) => mistakes.add(
            Mistake::new(
                span.clone(),
                format!("pool `{pool_name}` has no {} address", key.family()),
            )
            .help(format!("{key} needs local IPs of its own family")),
        ),
        Some(_) => {}
    }
    if config
        .director
        .as_ref()
        .is_none_or(|director| director.interfaces.is_empty())
    {
        mistakes.add(
            Mistake::new(
                span.clone(),
                "full NAT needs interfaces for the eBPF programs",
            )
            .help("list those to clients and servers: [director] interfaces = [\"eth0\"]"),
        );
    }
    if let Some(one_packet) = &service.one_packet {
        mistakes.add(
            Mistake::new(
                one_packet.clone(),
                "full NAT and one-packet scheduling exclude each other",
            )
            .help(
                "a one-packet connection ends when its packet is sent: a reply would find nothing",
            ),
        );
    }
    for server in &service.servers {
        if server.server.forward != Forward::Masq {
            mistakes.add(
                Mistake::new(
                    server.forward_span.clone(),
                    "a server of a full-NAT service is masqueraded",
                )
                .label("must be \"masq\""),
            );
        }
        if let Some((address, span)) = &server.address
            && address.port() == 0
        {
            mistakes.add(Mistake::new(span.clone(), "a server needs a port").label("port 0"));
        }
    }
    if let ServiceKey::Address { address, .. } = key
        && config
            .pools
            .values()
            .any(|pool| pool.addresses.contains_key(&address.ip()))
    {
        mistakes.add(
            Mistake::new(
                span.clone(),
                format!("{} is a VIP and a local IP", address.ip()),
            )
            .help("replies to a local IP and requests to a VIP must be told apart"),
        );
    }
}
