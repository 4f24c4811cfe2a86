// SPDX-License-Identifier: GPL-2.0-only
//! Checks that packets for VIPs and local IPs reach this host.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::finding::Severity::{Error, Note};
use super::{Facts, Finding};
use crate::model::{Family, ServiceKey};

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let vips: BTreeSet<IpAddr> = facts
        .wanted
        .services
        .keys()
        .filter_map(|key| match key {
            ServiceKey::Address { address, .. } => Some(address.ip()),
            ServiceKey::Fwmark { .. } => None,
        })
        .collect();
    for vip in vips.iter().filter(|vip| !facts.local.contains(**vip)) {
        let what = format!("the VIP {vip} is not an address of this host");
        findings.push(if facts.is_of_pair() {
            of_standby(*vip, "vip-not-local", what)
        } else {
            let cure = format!("ip address add {vip}/{} dev lo", Family::of(*vip).bits());
            let why = "its services receive no packets";
            Finding::about(vip, Error, "vip-not-local", what, why, cure)
        });
    }
    for address in facts
        .wanted
        .local_ips
        .keys()
        .map(|local_ip| local_ip.address)
    {
        local_ip(facts, address, findings);
    }
}

/// An address that VRRP assigns to one of two directors at a time.
fn of_standby(address: IpAddr, check: &'static str, what: String) -> Finding {
    Finding::about(
        address,
        Note,
        check,
        what,
        "this is expected on the standby director of a pair, and wrong on the active one",
        "check VRRP",
    )
}

fn local_ip(facts: &Facts, address: IpAddr, findings: &mut Vec<Finding>) {
    let links = &facts.links;
    let is_local = facts.local.contains(address);
    let is_standby = facts.is_of_pair() && !is_local;
    let elsewhere = links
        .neighbours
        .iter()
        .any(|neighbour| neighbour.address == address && neighbour.answers);
    let duplicate = links
        .addresses
        .iter()
        .any(|own| own.address == address && own.duplicate);
    if duplicate || (elsewhere && !is_local) {
        let check = "local-ip-not-unique";
        let what = format!("the local IP {address} is in use by another host");
        findings.push(if is_standby && !duplicate {
            of_standby(address, check, what)
        } else {
            let why = "the servers' answers go there";
            let cure = "give one of the two another address";
            Finding::about(address, Error, check, what, why, cure)
        });
        return;
    }
    if is_local {
        return;
    }
    let link = links.on_link(address).and_then(|link| links.by_index(link));
    findings.push(match link {
        Some(link) => {
            let what = format!("the local IP {address} is not an address of this host");
            if is_standby {
                of_standby(address, "local-ip-not-local", what)
            } else {
                Finding::about(
                    address,
                    Error,
                    "local-ip-not-local",
                    what,
                    format!(
                        "servers look for it in the network of {}, where this host does not \
                         answer: they cannot reply",
                        link.name
                    ),
                    format!(
                        "ip address add {address}/{} dev {}",
                        Family::of(address).bits(),
                        link.name
                    ),
                )
            }
        }
        None => {
            let what = format!(
                "the local IP {address} is neither an address nor in a network of this host"
            );
            if is_standby {
                of_standby(address, "local-ip-routed", what)
            } else {
                let why = "the servers' answers arrive only if their router routes it here";
                let cure = format!(
                    "check the router, or: ip address add {address}/{} dev lo",
                    Family::of(address).bits()
                );
                Finding::about(address, Note, "local-ip-routed", what, why, cure)
            }
        }
    });
}
