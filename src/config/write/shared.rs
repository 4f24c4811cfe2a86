// SPDX-License-Identifier: GPL-2.0-only
//! The parts that several services share: `[defaults]` and groups of servers. Each is
//! written where that makes the file shorter.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use super::layout::Block;
use super::service::Table;
use super::value::{array, string};
use super::{Notes, lists};
use crate::model::Family;

/// The lines of `[defaults]` besides its keys, with the empty line above.
const HEADER: usize = 2;

/// Takes out of the tables what `[defaults]` says. Returns nothing if that would not be
/// shorter.
pub(super) fn defaults(tables: &mut [Table]) -> Option<Block> {
    let mut block = Block::new("[defaults]");
    let mut saved = 0;
    for key in ["scheduler", "snat"] {
        let Some((value, count)) = most_frequent(tables, key) else {
            continue;
        };
        // A native service would have to say that it is.
        let is_of_all = || tables.iter().all(|table| table.block.value(key).is_some());
        if count > 1 && (key == "scheduler" || is_of_all()) {
            block.key(key, value);
            saved += count - 1;
        }
    }
    if saved <= HEADER {
        return None;
    }
    for table in tables {
        for (key, value) in block.entries() {
            if table.block.value(key) == Some(value) {
                table.block.remove(key);
            }
        }
    }
    Some(block)
}

/// The value that most of the tables have, the first of several.
fn most_frequent(tables: &[Table], key: &str) -> Option<(String, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for table in tables {
        *counts.entry(table.block.value(key)?).or_default() += 1;
    }
    let most = counts.values().max().copied()?;
    let (value, _) = counts.into_iter().find(|(_, count)| *count == most)?;
    Some((value.to_owned(), most))
}

/// A group of servers.
pub(super) struct Group {
    pub name: String,
    pub blocks: Vec<Block>,
}

/// Takes out of the tables the servers that several of them have.
pub(super) fn groups(tables: &mut [Table], notes: &Notes) -> Vec<Group> {
    let mut alike: HashMap<Vec<Vec<String>>, Vec<usize>> = HashMap::new();
    for (index, table) in tables.iter().enumerate() {
        if can_share(table, notes) {
            alike.entry(servers(table)).or_default().push(index);
        }
    }
    let mut alike: Vec<Vec<usize>> = alike.into_values().collect();
    alike.sort_unstable();
    let mut groups = Vec::new();
    for indices in alike {
        let Some(first) = indices.first().and_then(|index| tables.get(*index)) else {
            continue;
        };
        let name = format!("group{}", groups.len() + 1);
        let blocks = blocks(&name, &first.servers);
        let own: usize = servers(first).iter().map(|lines| lines.len() + 1).sum();
        let shared: usize = blocks.iter().map(|block| block.lines().len() + 1).sum();
        if indices.len() < 2 || shared + indices.len() >= own * indices.len() {
            continue;
        }
        for index in indices {
            if let Some(table) = tables.get_mut(index) {
                table.servers.clear();
                table.block.key("servers", string(&name));
            }
        }
        groups.push(Group { name, blocks });
    }
    groups
}

fn servers(table: &Table) -> Vec<Vec<String>> {
    let servers = table.servers.iter();
    servers.map(|(_, block)| block.lines()).collect()
}

/// A service takes the servers of its own family from a group, and no others.
fn can_share(table: &Table, notes: &Notes) -> bool {
    let families = |family| {
        let mut servers = table.servers.iter();
        servers.all(|(address, _)| Family::of(address.ip()) == family)
    };
    !table.servers.is_empty()
        && table.keys.iter().all(|key| {
            !notes.apart.contains(*key)
                && families(key.family())
                && !lists::is_special(table, key, notes)
        })
}

/// Servers that have nothing but an address are a list.
fn blocks(name: &str, servers: &[(SocketAddr, Block)]) -> Vec<Block> {
    let mut group = Block::new(format!("[servers.{name}]"));
    let is_plain = |block: &&(SocketAddr, Block)| block.1.entries().count() == 1;
    let plain = servers.iter().filter(is_plain);
    let mut plain = plain
        .map(|(address, _)| string(&address.to_string()))
        .peekable();
    if plain.peek().is_some() {
        group.key("addresses", array(plain));
    }
    let others = servers.iter().filter(|server| !is_plain(server));
    let others = others.map(|(_, server)| {
        let mut block = Block::new(format!("[[servers.{name}.server]]")).indented();
        for (key, value) in server.entries() {
            block.key(key, value);
        }
        block
    });
    let others: Vec<Block> = others.collect();
    let head = (!group.is_empty()).then_some(group);
    head.into_iter().chain(others).collect()
}
