// SPDX-License-Identifier: GPL-2.0-only
//! Checks that packets for VIPs and local IPs reach this host.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::finding::Severity::{Error, Note};
use super::{Facts, Finding};
use crate::model::ServiceKey;

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
        findings.push(Finding::about(
            vip,
            Error,
            "vip-not-local",
            format!("the VIP {vip} is not an address of this host"),
            "its services receive no packets",
            format!("ip address add {vip}/{} dev lo", bits(*vip)),
        ));
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

fn local_ip(facts: &Facts, address: IpAddr, findings: &mut Vec<Finding>) {
    let links = &facts.links;
    let is_local = facts.local.contains(address);
    let elsewhere = links
        .neighbours
        .iter()
        .any(|neighbour| neighbour.address == address && neighbour.answers);
    let duplicate = links
        .addresses
        .iter()
        .any(|own| own.address == address && own.duplicate);
    if duplicate || (elsewhere && !is_local) {
        findings.push(Finding::about(
            address,
            Error,
            "local-ip-not-unique",
            format!("the local IP {address} is in use by another host"),
            "the servers' answers go there",
            "give one of the two another address",
        ));
        return;
    }
    if is_local {
        return;
    }
    match links.on_link(address).and_then(|link| links.by_index(link)) {
        Some(link) => findings.push(Finding::about(
            address,
            Error,
            "local-ip-not-local",
            format!("the local IP {address} is not an address of this host"),
            format!(
                "it is in the network of {}, where no host answers for it: servers cannot reply",
                link.name
            ),
            format!(
                "ip address add {address}/{} dev {}",
                bits(address),
                link.name
            ),
        )),
        None => findings.push(Finding::about(
            address,
            Note,
            "local-ip-routed",
            format!("the local IP {address} is neither an address nor in a network of this host"),
            "the servers' answers arrive only if their router routes it here",
            format!(
                "check the router, or: ip address add {address}/{} dev lo",
                bits(address)
            ),
        )),
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}
