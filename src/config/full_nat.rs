// SPDX-License-Identifier: GPL-2.0-only
//! Checks the parts that full NAT needs: `snat`, its pool, its servers.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::diagnostics::{Mistake, Mistakes, Span};
use super::parse::Config;
use super::service::ServiceEntry;
use super::spelling::{closest, quoted};
use crate::model::{Family, Forward, PortRange, Protocol, ServiceKey};

/// The local IPs of all pools, with their places in the text.
type LocalIps<'c> = HashMap<IpAddr, (PortRange, &'c Span)>;

const IS_LOCAL_IP: &str = "the local IP";

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    let local_ips: LocalIps = config
        .pools
        .values()
        .flat_map(|pool| {
            let owned = pool.addresses.iter();
            owned.map(|(address, span)| (*address, (pool.ports, span)))
        })
        .collect();
    only_for_full_nat(config, mistakes);
    if let Some((pool, span)) = &config.snat {
        pool_of(config, None, pool, span, mistakes);
    }
    for service in &config.services {
        vip_is_local_ip(service, &local_ips, mistakes);
        if let Some((pool, span)) = &service.snat {
            let key = service.key.as_ref();
            let what = key.map(|(key, _)| (key.to_string(), key.family()));
            pool_of(config, what, pool, span, mistakes);
            let native = native(config, span);
            one_packet(service, native, mistakes);
            address(service, native, mistakes);
            servers(service, native, &local_ips, mistakes);
        }
    }
}

/// Returns how to make a service native. `span` is the place of its `snat`.
fn native(config: &Config, span: &Span) -> &'static str {
    match &config.snat {
        Some((_, default)) if default == span => {
            "set the `snat` of the service to `false`, which makes it native"
        }
        _ => "remove `snat` from the service",
    }
}

/// Checks the settings of the module, which exists only for full NAT.
fn only_for_full_nat(config: &Config, mistakes: &Mistakes) {
    let wanted = config
        .director
        .as_ref()
        .is_some_and(|director| !director.interfaces.is_empty());
    if wanted || !config.pools.is_empty() {
        return;
    }
    if let Some(span) = &config.timeouts.unanswered {
        mistakes.add(Mistake::new(
            span,
            "this timeout is for full NAT, and the file has no local IPs for it",
            "describe a pool as `[local_ips.NAME]` with `addresses`, or remove the timeout",
        ));
    }
    let director = config.director.as_ref();
    if let Some((_, span)) = director.and_then(|director| director.port_secret.as_ref()) {
        mistakes.add(Mistake::new(
            span,
            "the secret is for full NAT, and the file has no local IPs for it",
            "describe a pool as `[local_ips.NAME]` with `addresses`, or remove the secret",
        ));
    }
}

/// `what`: the user of the pool and its family, if they are known.
pub(super) fn pool_of(
    config: &Config,
    what: Option<(String, Family)>,
    name: &str,
    span: &Span,
    mistakes: &Mistakes,
) {
    let Some(pool) = config.pools.get(name) else {
        let names = config.pools.keys().map(String::as_str);
        let help = match closest(name, names) {
            Some(meant) => format!("did you mean {}?", quoted(meant)),
            None => "describe it as `[local_ips.NAME]` with `addresses`".to_owned(),
        };
        mistakes.add(Mistake::new(
            span,
            format!("there is no pool of local IPs {}", quoted(name)),
            help,
        ));
        return;
    };
    if let Some((what, family)) = what
        && !pool.addresses.is_empty()
        && !pool.has(family)
    {
        mistakes.add(
            Mistake::new(
                span,
                format!(
                    "the pool {} has no {family} address for {what}",
                    quoted(name)
                ),
                format!("add one to its `addresses`, or name a pool that has {family}"),
            )
            .see(&pool.span, "the pool"),
        );
    }
}

/// Checks the VIP. Replies leave by a route to the client, and a link-local VIP
/// does not determine one. The module refuses such a VIP as well.
fn address(service: &ServiceEntry, native: &str, mistakes: &Mistakes) {
    if let Some((ServiceKey::Address { address, .. }, span)) = &service.key
        && let IpAddr::V6(ip) = address.ip()
        && (ip.is_unicast_link_local() || ip.is_loopback())
    {
        mistakes.add(Mistake::new(
            span,
            format!("full NAT does not serve {ip}, which is not routed"),
            format!("use a routed address, or {native}"),
        ));
    }
}

fn one_packet(service: &ServiceEntry, native: &str, mistakes: &Mistakes) {
    if let Some(span) = &service.one_packet {
        mistakes.add(Mistake::new(
            span,
            "a full-NAT service cannot use one-packet scheduling: a one-packet connection ends \
             when its packet is sent, so a reply would not find it",
            format!("remove `one_packet`, or {native}"),
        ));
    }
}

fn servers(service: &ServiceEntry, native: &str, local_ips: &LocalIps, mistakes: &Mistakes) {
    let (protocol, vip) = match &service.key {
        Some((ServiceKey::Address { protocol, address }, _)) => (Some(*protocol), Some(*address)),
        _ => (None, None),
    };
    for server in &service.servers {
        if let Some((Forward::Route | Forward::Tunnel(_), span)) = &server.forward {
            mistakes.add(Mistake::new(
                span,
                "full NAT rewrites addresses, which this forwarding method forbids",
                format!("write `forward = \"masq\"`, or {native}"),
            ));
        }
        if let Some((address, span)) = &server.address {
            // Without a port of its own, a server gets the packet's.
            let needs_port = vip.is_some_and(|vip| vip.port() != 0);
            if needs_port && address.port() == 0 {
                mistakes.add(Mistake::new(
                    span,
                    "a server of a full-NAT service needs a port",
                    "write the port that the server listens on",
                ));
            }
            server_address(*address, span, vip, local_ips, mistakes);
            if let (Some(Protocol::Sctp), Some(vip)) = (protocol, vip) {
                sctp_port(*address, span, vip, mistakes);
            }
        }
    }
}

fn server_address(
    address: SocketAddr,
    span: &Span,
    vip: Option<SocketAddr>,
    local_ips: &LocalIps,
    mistakes: &Mistakes,
) {
    if vip == Some(address) {
        mistakes.add(Mistake::new(
            span,
            format!("the service {address} is its own server"),
            "name the server's own address",
        ));
    }
    if let Some((_, place)) = local_ips.get(&address.ip()) {
        mistakes.add(
            Mistake::new(
                span,
                format!("{} is a server and a local IP", address.ip()),
                "a server is another host: use its address, or another local IP",
            )
            .see(place, IS_LOCAL_IP),
        );
    }
}

/// Checks the port of an SCTP server. Port 0 has been reported already, or is the packet's.
fn sctp_port(address: SocketAddr, span: &Span, vip: SocketAddr, mistakes: &Mistakes) {
    if address.port() != vip.port() && address.port() != 0 {
        let right = SocketAddr::new(address.ip(), vip.port());
        mistakes.add(Mistake::new(
            span,
            format!(
                "the server's port is {}, but the service's port is {}: full NAT does not change \
                 the ports of SCTP, which its checksum covers",
                address.port(),
                vip.port()
            ),
            format!("write \"{right}\", and let the server listen there"),
        ));
    }
}

/// Requests to a VIP and replies to a local IP must be distinguishable.
fn vip_is_local_ip(service: &ServiceEntry, local_ips: &LocalIps, mistakes: &Mistakes) {
    let Some((ServiceKey::Address { address, .. }, span)) = &service.key else {
        return;
    };
    let Some((ports, place)) = local_ips.get(&address.ip()) else {
        return;
    };
    if address.port() == 0 || (ports.first..=ports.last).contains(&address.port()) {
        mistakes.add(
            Mistake::new(
                span,
                format!("{address} is a VIP with its port, and a port of a local IP"),
                if address.port() == 0 {
                    "requests and replies must be distinguishable, and port 0 means every port: \
                     use another local IP"
                        .to_owned()
                } else {
                    format!(
                        "requests and replies must be distinguishable: the local IP has the ports \
                         {}-{}; leave this one out (`ports`), or use another local IP",
                        ports.first, ports.last
                    )
                },
            )
            .see(place, IS_LOCAL_IP),
        );
    }
}
