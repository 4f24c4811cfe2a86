// SPDX-License-Identifier: GPL-2.0-only
//! Joins the tables of services that differ only in their addresses.

use std::collections::HashMap;

use super::service::Table;
use super::{Item, Notes};
use crate::model::{Family, ServiceKey};

/// Returns the tables, each where its first service is. The services of a list are of one
/// family. A table that has a comment, or says something else than the state, stays as it
/// is.
pub(super) fn joined<'s>(tables: Vec<Table<'s>>, notes: &Notes) -> Vec<Table<'s>> {
    let mut joined: Vec<Table> = Vec::new();
    let mut first: HashMap<(Family, String), usize> = HashMap::new();
    for table in tables {
        let [key @ ServiceKey::Address { .. }] = table.keys[..] else {
            joined.push(table);
            continue;
        };
        if notes.apart.contains(key) || is_special(&table, key, notes) {
            joined.push(table);
            continue;
        }
        match first.get(&(key.family(), text(&table))) {
            Some(&index) => {
                if let Some(first) = joined.get_mut(index) {
                    first.keys.push(key);
                }
            }
            None => {
                first.insert((key.family(), text(&table)), joined.len());
                joined.push(table);
            }
        }
    }
    joined
}

/// Tables with the same text ask for the same.
fn text(table: &Table) -> String {
    let servers = table.servers.iter().flat_map(|(_, block)| block.lines());
    let lines: Vec<String> = table.block.lines().into_iter().chain(servers).collect();
    lines.join("\n")
}

pub(super) fn is_special(table: &Table, key: &ServiceKey, notes: &Notes) -> bool {
    let is_noted =
        |item: Item| notes.above.contains_key(&item) || notes.refused.contains_key(&item);
    is_noted(Item::Service(key.clone()))
        || table.servers.iter().any(|(address, block)| {
            block.has_remarks() || is_noted(Item::Server(key.clone(), *address))
        })
}
