// SPDX-License-Identifier: GPL-2.0-only
//! Writes `[[full_nat]]`.

use super::layout::Block;
use super::value::{array, string};
use crate::model::{FullNat, Network, Protocol, Rule};

pub(super) fn block(rule: &Rule, full_nat: &FullNat) -> Block {
    let mut block = Block::new("[[full_nat]]");
    let addresses = rule
        .networks
        .iter()
        .map(|network| string(&address(*network)));
    block.key("addresses", array(addresses));
    if let Some(ports) = rule.port_list() {
        block.key("ports", string(&ports));
    }
    if rule.protocols.len() < Protocol::ALL.len() {
        let names = rule.protocols.iter().map(Protocol::to_string);
        block.key("protocols", array(names.map(|name| string(&name))));
    }
    if !rule.interfaces.is_empty() {
        block.key(
            "interfaces",
            array(rule.interfaces.iter().map(|name| string(name))),
        );
    }
    block.full_nat(full_nat);
    block
}

fn address(network: Network) -> String {
    match (network.length, network.address.is_ipv4()) {
        (32, true) | (128, false) => network.address.to_string(),
        _ => network.to_string(),
    }
}
