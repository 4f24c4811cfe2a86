// SPDX-License-Identifier: GPL-2.0-only
//! Writes `[[service]]` and `[[service.server]]`.

use std::net::{Ipv4Addr, SocketAddr};

use super::layout::Block;
use super::value::{array, duration, string, table};
use crate::config::server::WEIGHT;
use crate::model::{
    Family, Forward, FullNat, Netmask, Persistence, Server, Service, ServiceKey, State, Tunnel,
    TunnelChecksum,
};

/// A table, its services and its servers.
pub(super) struct Table<'s> {
    pub keys: Vec<&'s ServiceKey>,
    /// Everything but the address.
    pub block: Block,
    pub servers: Vec<(SocketAddr, Block)>,
}

impl Table<'_> {
    /// The value of `address`.
    pub fn addresses(&self) -> String {
        let mut addresses = self.keys.iter().map(|key| string(&key.to_string()));
        match (addresses.next(), self.keys.len()) {
            (Some(only), 1) => only,
            (first, _) => array(first.into_iter().chain(addresses)),
        }
    }
}

/// Returns a table for each service.
pub(super) fn tables(state: &State) -> Vec<Table<'_>> {
    let tables = state.services.iter().map(|(key, service)| {
        let external = state.external_servers.contains(key);
        let own = service.servers.iter().filter(|_| !external);
        Table {
            keys: vec![key],
            block: block(key, service, state.full_nat.get(key), external),
            servers: own
                .map(|(address, it)| (*address, server(*address, it, key)))
                .collect(),
        }
    });
    tables.collect()
}

/// `external`: another program owns the servers.
fn block(key: &ServiceKey, service: &Service, full_nat: Option<&FullNat>, external: bool) -> Block {
    let mut block = Block::new("[[service]]");
    block.key("scheduler", string(&service.scheduler));
    if service.scheduler_flags.contains(&true) {
        let names = service.scheduler_flag_names();
        block.key("scheduler_flags", array(names.into_iter().map(string)));
    }
    if let Some(found) = &service.persistence {
        block.key("persistence", persistence(found, key.family()));
    }
    if service.one_packet {
        block.key("one_packet", "true");
    }
    if let Some(full_nat) = full_nat {
        block.full_nat(full_nat);
    }
    if external {
        block.key("servers", string("external"));
    }
    block
}

fn persistence(persistence: &Persistence, family: Family) -> String {
    let mut entries = vec![("timeout", duration(persistence.timeout))];
    if persistence.netmask != Netmask::whole(family) {
        entries.push(("netmask", netmask(persistence.netmask)));
    }
    if let Some(engine) = &persistence.engine {
        entries.push(("engine", string(engine)));
    }
    table(&entries)
}

fn netmask(netmask: Netmask) -> String {
    match netmask {
        Netmask::V6(length) => length.to_string(),
        Netmask::V4(mask) => match prefix_length(mask) {
            Some(length) => length.to_string(),
            None => string(&mask.to_string()),
        },
    }
}

/// Returns the prefix length of the mask.
/// `None`: the mask is not a prefix, or its length is 0.
fn prefix_length(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    let length = bits.leading_ones();
    (length > 0 && bits.count_ones() == length).then_some(length)
}

fn server(address: SocketAddr, server: &Server, key: &ServiceKey) -> Block {
    let mut block = Block::new("[[service.server]]").indented();
    block.key("address", string(&address.to_string()));
    if server.weight != WEIGHT {
        block.key("weight", server.weight.to_string());
    }
    match &server.forward {
        Forward::Masq => {}
        Forward::Route => block.key("forward", string("route")),
        Forward::Tunnel(tunnel) => {
            block.key("forward", string("tunnel"));
            self::tunnel(*tunnel, &mut block);
        }
        Forward::Local => local(address, key, &mut block),
    }
    for (name, threshold) in [
        ("upper_threshold", server.upper_threshold),
        ("lower_threshold", server.lower_threshold),
    ] {
        if threshold != 0 {
            block.key(name, threshold.to_string());
        }
    }
    block
}

fn tunnel(tunnel: Tunnel, block: &mut Block) {
    let (kind, port, checksum) = match tunnel {
        Tunnel::Ipip => return,
        Tunnel::Gue { port, checksum } => ("gue", Some(port), checksum),
        Tunnel::Gre { checksum } => ("gre", None, checksum),
    };
    let mut entries = vec![("type", string(kind))];
    if let Some(port) = port {
        entries.push(("port", port.to_string()));
    }
    match checksum {
        TunnelChecksum::None => {}
        TunnelChecksum::Full => entries.push(("checksum", string("full"))),
        TunnelChecksum::Remote => entries.push(("checksum", string("remote"))),
    }
    block.key("tunnel", table(&entries));
}

/// Writes the forwarding method `local`, which a file cannot ask for, as the
/// closest other one. If the port allows it, that is one that leaves the packet
/// unchanged.
fn local(address: SocketAddr, key: &ServiceKey, block: &mut Block) {
    let keeps_port = match key {
        ServiceKey::Address { address: vip, .. } => vip.port() == address.port(),
        ServiceKey::Fwmark { .. } => true,
    };
    let nearest = if keeps_port { "route" } else { "masq" };
    block.remark(format!(
        "the kernel has the forwarding method \"local\", which a file cannot ask for; \
         `apply` makes it \"{nearest}\""
    ));
    if keeps_port {
        block.key("forward", string(nearest));
    }
}
