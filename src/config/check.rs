// SPDX-License-Identifier: GPL-2.0-only
//! Checks that need two keys of a service together.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::diagnostics::{Mistake, Mistakes, Span};
use super::parse::Config;
use super::server::ServerEntry;
use super::service::ServiceEntry;
use super::{client_address, full_nat, rule_checks};
use crate::model::{Family, Forward, Protocol, ServiceKey};

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    let mut services: HashMap<&ServiceKey, &Span> = HashMap::new();
    for service in &config.services {
        if let Some((key, span)) = &service.key {
            if let Some(first) = services.get(key) {
                mistakes.add(
                    Mistake::new(
                        span,
                        format!("the service {key} is listed twice"),
                        "put all its servers into one of the two",
                    )
                    .see(first, "it is also here"),
                );
            } else {
                services.insert(key, span);
            }
            every_port(service, key, span, mistakes);
            one_packet(service, key, mistakes);
        }
        servers(config, service, mistakes);
    }
    full_nat::check(config, mistakes);
    client_address::check(config, mistakes);
    rule_checks::check(config, mistakes);
}

/// Port 0 means every port. The kernel accepts it only with persistence.
fn every_port(service: &ServiceEntry, key: &ServiceKey, span: &Span, mistakes: &Mistakes) {
    if let ServiceKey::Address { address, .. } = key
        && address.port() == 0
        && service.persistence.is_none()
    {
        mistakes.add(Mistake::new(
            span,
            "port 0 means every port, which needs persistence",
            "add `persistence = { timeout = \"5m\" }`, or name a port",
        ));
    }
}

/// The kernel ignores the flag for other protocols (ip_vs_core.c,
/// ip_vs_schedule()).
fn one_packet(service: &ServiceEntry, key: &ServiceKey, mistakes: &Mistakes) {
    if let Some(span) = &service.one_packet
        && let ServiceKey::Address { protocol, .. } = key
        && *protocol != Protocol::Udp
    {
        mistakes.add(Mistake::new(
            span,
            format!("one-packet scheduling is for UDP, and {key} is not"),
            "remove `one_packet`",
        ));
    }
}

fn servers(config: &Config, service: &ServiceEntry, mistakes: &Mistakes) {
    let mut seen: HashMap<SocketAddr, &Span> = HashMap::new();
    for server in &service.servers {
        let Some((address, span)) = &server.address else {
            continue;
        };
        if let Some(first) = seen.get(address) {
            mistakes.add(
                Mistake::new(
                    span,
                    format!("the server {address} is listed twice in this service"),
                    "remove one of the two; `weight` gives a server a larger share",
                )
                .see(first, "it is also here"),
            );
        } else {
            seen.insert(*address, span);
        }
        if let Some((key, _)) = &service.key {
            let may_tunnel = service.snat.is_none()
                && config.sync.is_none()
                && key.port().is_none_or(|port| port == address.port());
            family_of_server(server, *address, span, key, may_tunnel, mistakes);
            sync_of_server(config, *address, span, key, mistakes);
            port_of_server(server, *address, span, key, mistakes);
        }
    }
}

/// Only tunnels connect two address families (ip_vs_ctl.c,
/// ip_vs_genl_set_cmd()).
/// `may_tunnel`: nothing else forbids a tunnel.
fn family_of_server(
    server: &ServerEntry,
    address: SocketAddr,
    span: &Span,
    key: &ServiceKey,
    may_tunnel: bool,
    mistakes: &Mistakes,
) {
    let family = Family::of(address.ip());
    if family != key.family()
        && let Some((Forward::Masq | Forward::Route | Forward::Local, _)) = &server.forward
    {
        let wanted = key.family();
        mistakes.add(Mistake::new(
            span,
            format!("{key} is {wanted}, but its server {address} is {family}"),
            match may_tunnel {
                true => format!(
                    "use an {wanted} address of the server, or `forward = \"tunnel\"`: only a \
                     tunnel joins the two families"
                ),
                false => format!("use an {wanted} address of the server"),
            },
        ));
    }
}

/// Checks the family of a server against the sync daemons. A sync message has
/// one family for the three addresses of a connection (ip_vs_ctl.c,
/// ip_vs_genl_new_daemon()).
fn sync_of_server(
    config: &Config,
    address: SocketAddr,
    span: &Span,
    key: &ServiceKey,
    mistakes: &Mistakes,
) {
    if Family::of(address.ip()) != key.family()
        && let Some(sync) = &config.sync
        && let Some((_, daemon)) = sync.interfaces.first()
    {
        let what = "a sync daemon cannot run with a server of another address family than its \
                    service: a sync message has one family";
        let help = "use a server of the service's family, or leave the daemons out of `[sync]`";
        mistakes.add(Mistake::new(span, what, help).see(daemon, "a sync daemon"));
    }
}

/// Route and tunnel leave the packet unchanged, so they cannot change the port.
fn port_of_server(
    server: &ServerEntry,
    address: SocketAddr,
    span: &Span,
    key: &ServiceKey,
    mistakes: &Mistakes,
) {
    if let Some(wanted) = key.port()
        && let Some((Forward::Route | Forward::Tunnel(_), _)) = &server.forward
        && address.port() != wanted
    {
        let found = address.port();
        let right = SocketAddr::new(address.ip(), wanted);
        mistakes.add(Mistake::new(
            span,
            format!("the server's port is {found}, but the service's port is {wanted}"),
            format!("write \"{right}\": only `forward = \"masq\"` changes the port"),
        ));
    }
}
