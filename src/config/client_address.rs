// SPDX-License-Identifier: GPL-2.0-only
//! `client_address`: how full-NAT servers learn the client's address.

use super::diagnostics::{Mistake, Mistakes, Span};
use super::parse::Config;
use super::reader::{Section, string};
use super::rules::RuleEntry;
use super::service::ServiceEntry;
use super::spelling::{meant, quoted};
use crate::model::{ClientAddress, Protocol, ServiceKey};

const TOA: &str = "toa";
const NONE: &str = "none";

pub(super) fn read(section: &Section) -> Option<(Option<ClientAddress>, Span)> {
    let value = section.take("client_address")?;
    let (name, span) = string(value, "client_address", section.mistakes)?;
    match name {
        TOA => Some((Some(ClientAddress::Toa), span)),
        NONE => Some((None, span)),
        _ => {
            section.mistakes.add(Mistake::new(
                &span,
                format!(
                    "{} is not a way to tell servers the client's address",
                    quoted(name)
                ),
                meant(name, [TOA, NONE]),
            ));
            None
        }
    }
}

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    for service in &config.services {
        if let Some((Some(ClientAddress::Toa), span)) = &service.client_address {
            of_tcp(service, span, mistakes);
            full_nat(service, span, mistakes);
        }
    }
    for rule in &config.rules {
        if let Some((Some(ClientAddress::Toa), span)) = &rule.client_address
            && !rule.has_tcp()
        {
            mistakes.add(Mistake::new(
                span,
                "the client's address is sent in a TCP option, and TCP is not among the \
                 `protocols` of the rule",
                "add `tcp` to them, or remove `client_address`",
            ));
        }
    }
}

fn of_tcp(service: &ServiceEntry, span: &Span, mistakes: &Mistakes) {
    if let Some((key @ ServiceKey::Address { protocol, .. }, _)) = &service.key
        && *protocol != Protocol::Tcp
    {
        mistakes.add(Mistake::new(
            span,
            format!("the client's address is sent in a TCP option, and {key} is not TCP"),
            "remove `client_address`",
        ));
    }
}

fn full_nat(service: &ServiceEntry, span: &Span, mistakes: &Mistakes) {
    if service.snat.is_none() {
        mistakes.add(Mistake::new(
            span,
            "without full NAT a server sees the client's address in any case",
            "remove `client_address`, or name a pool of local IPs: `snat = \"default\"`",
        ));
    }
}

fn of_pool(config: &Config, snat: Option<&(String, Span)>) -> Option<ClientAddress> {
    let (pool, _) = snat?;
    config.pools.get(pool)?.client_address
}

/// Returns the setting of the service, or else that of its pool.
pub(super) fn of_service(config: &Config, service: &ServiceEntry) -> Option<ClientAddress> {
    let has_tcp = match service.key.as_ref()? {
        (ServiceKey::Address { protocol, .. }, _) => *protocol == Protocol::Tcp,
        (ServiceKey::Fwmark { .. }, _) => true,
    };
    match &service.client_address {
        Some((way, _)) => *way,
        None if has_tcp => of_pool(config, service.snat.as_ref()),
        None => None,
    }
}

/// Returns the setting of the rule, or else that of its pool.
pub(super) fn of_rule(config: &Config, rule: &RuleEntry) -> Option<ClientAddress> {
    match &rule.client_address {
        Some((way, _)) => *way,
        None if rule.has_tcp() => of_pool(config, rule.snat.as_ref()),
        None => None,
    }
}
