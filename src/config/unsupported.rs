// SPDX-License-Identifier: GPL-2.0-only
//! What can be written but nothing serves yet: refused by name, never ignored.
//! Whoever makes something work deletes its lines here.

use super::diagnostics::{Mistake, Mistakes, Span};
use super::parse::Config;
use super::reader::Section;
use super::service::ServiceEntry;
use crate::model::{Family, Forward, Protocol, ServiceKey, Tunnel};

fn refuse(mistakes: &Mistakes, span: &Span, what: &str) {
    mistakes.add(
        Mistake::new(span.clone(), format!("{what}: not supported yet")).label("not supported yet"),
    );
}

/// Whole tables.
pub(super) fn section(section: &Section) {
    refuse(section.mistakes, &section.span, section.what);
}

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    if let Some(director) = &config.director
        && let Some((true, span)) = &director.fast_path
    {
        refuse(mistakes, span, "fast_path = true");
    }
    for (number, pool) in config.pools.values().enumerate() {
        if number > 0 {
            refuse(mistakes, &pool.span, "more than one pool of local IPs");
        }
        if let Some((_, span)) = pool.addresses.iter().find(|(address, _)| address.is_ipv6()) {
            refuse(mistakes, span, "an IPv6 local IP");
        }
    }
    for service in &config.services {
        if service.snat.is_some() {
            full_nat(service, mistakes);
        }
        if let Some((persistence, span)) = &service.persistence
            && persistence.engine.is_some()
        {
            refuse(mistakes, span, "a persistence engine");
        }
        for server in &service.servers {
            if let Forward::Tunnel(Tunnel::Gue { .. } | Tunnel::Gre { .. }) = server.server.forward
            {
                refuse(mistakes, &server.forward_span, "a gue or gre tunnel");
            }
        }
    }
}

fn full_nat(service: &ServiceEntry, mistakes: &Mistakes) {
    let Some((key, span)) = &service.key else {
        return;
    };
    match key {
        ServiceKey::Fwmark { .. } => refuse(mistakes, span, "full NAT by firewall mark"),
        ServiceKey::Address {
            protocol: Protocol::Sctp,
            ..
        } => {
            refuse(mistakes, span, "full NAT for SCTP");
        }
        ServiceKey::Address { address, .. } if address.port() == 0 => {
            refuse(mistakes, span, "full NAT for every port");
        }
        _ if key.family() == Family::Ipv6 => refuse(mistakes, span, "full NAT for IPv6"),
        _ => {}
    }
    if let Some((_, span)) = &service.persistence {
        refuse(mistakes, span, "full NAT with persistence");
    }
}
