// SPDX-License-Identifier: GPL-2.0-only
//! What can be written but nothing serves yet: refused by name, never ignored.
//! Whoever makes something work deletes its lines here.

use super::diagnostics::{Mistake, Mistakes, Span};
use super::parse::Config;
use super::service::ServiceEntry;
use crate::model::ServiceKey;

fn refuse(mistakes: &Mistakes, span: &Span, what: &str, instead: &str) {
    mistakes.add(Mistake::new(
        span,
        format!("{what}: not supported yet"),
        instead,
    ));
}

pub(super) fn check(config: &Config, mistakes: &Mistakes) {
    if let Some(director) = &config.director
        && let Some((true, span)) = &director.fast_path
    {
        let instead = "write false: every packet passes through IPVS";
        refuse(mistakes, span, "`fast_path = true`", instead);
    }
    for service in &config.services {
        if service.snat.is_some() {
            full_nat(service, mistakes);
        }
    }
}

fn full_nat(service: &ServiceEntry, mistakes: &Mistakes) {
    const NATIVE: &str = "remove `snat`: the service is native IPVS then";
    let refuse = |span, what| refuse(mistakes, span, what, NATIVE);
    if let Some((_, span)) = &service.persistence {
        refuse(span, "full NAT with persistence");
    }
    let Some((key, span)) = &service.key else {
        return;
    };
    match key {
        ServiceKey::Fwmark { .. } => refuse(span, "full NAT by firewall mark"),
        ServiceKey::Address { address, .. } => {
            if address.port() == 0 {
                refuse(span, "full NAT for every port");
            }
        }
    }
}
