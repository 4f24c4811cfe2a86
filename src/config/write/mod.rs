// SPDX-License-Identifier: GPL-2.0-only
//! Converts a [`State`] to the text of a file that asks for it. The text looks
//! hand-written: it follows the order of the manual and omits defaults.

mod layout;
mod lists;
mod local_ips;
mod rules;
mod saved;
mod service;
mod settings;
mod shared;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use layout::{Block, Document};
pub use saved::{Saved, save};
pub use settings::changed_sysctls;

use crate::model::{Rule, ServiceKey, State, Toa};

/// The object that a part of the file describes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    Director,
    Timeouts,
    Sysctl,
    Sync,
    Pool(String),
    Rule(Rule),
    Defaults,
    Group(String),
    Service(ServiceKey),
    Server(ServiceKey, SocketAddr),
    Toa,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Director => f.write_str("[director]"),
            Item::Timeouts => f.write_str("[timeouts]"),
            Item::Sysctl => f.write_str("[sysctl]"),
            Item::Sync => f.write_str("[sync]"),
            Item::Pool(name) => write!(f, "the pool {name:?}"),
            Item::Rule(rule) => write!(f, "the rule for {rule}"),
            Item::Defaults => f.write_str("[defaults]"),
            Item::Group(name) => write!(f, "the servers {name:?}"),
            Item::Service(key) => key.fmt(f),
            Item::Toa => f.write_str("[toa]"),
            Item::Server(key, address) => write!(f, "the server {address} of {key}"),
        }
    }
}

/// Content of the file in addition to the state.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Comments at the beginning of the file.
    pub head: Vec<String>,
    /// Comments above a part of the file.
    pub above: BTreeMap<Item, Vec<String>>,
    /// Comments at the end of the file.
    pub tail: Vec<String>,
    /// Parts that a file cannot ask for, and the reasons. They are written as
    /// comments.
    pub refused: BTreeMap<Item, Vec<String>>,
    /// Services that differ in their addresses alone become one table, and what several
    /// services share is written once.
    pub short: bool,
    /// Services that still have a table of their own.
    pub apart: BTreeSet<ServiceKey>,
}

/// The text of a file, with a map from its bytes to the objects.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub text: String,
    /// The byte ranges of the parts, in the order of the text.
    items: Vec<(Range<usize>, Item)>,
    /// The services of the tables that have several, by the first of them.
    lists: BTreeMap<ServiceKey, Vec<ServiceKey>>,
    /// Where the text differs slightly from the state.
    remarks: Vec<(Item, String)>,
}

impl Written {
    /// Returns the services of the table that has this one as its first, if there are
    /// several.
    fn list(&self, first: &ServiceKey) -> &[ServiceKey] {
        self.lists.get(first).map_or(&[], Vec::as_slice)
    }

    /// Returns the part that contains this byte, and the key of its line.
    pub fn at(&self, byte: usize) -> Option<(&Item, &str)> {
        let index = self
            .items
            .partition_point(|(range, _)| range.start <= byte)
            .checked_sub(1)?;
        let (range, item) = self.items.get(index)?;
        let begin = self.text.get(..byte)?.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(begin..)?.lines().next().unwrap_or_default();
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        range.contains(&byte).then_some((item, key))
    }
}

pub fn write(state: &State, notes: &Notes) -> Written {
    let mut document = Document::new(notes);
    if let Some(block) = director(state) {
        document.add(Item::Director, block);
    }
    let settings = [
        (Item::Timeouts, settings::timeouts(&state.timeouts)),
        (Item::Sysctl, settings::sysctl(&state.sysctls)),
        (Item::Sync, state.sync.as_ref().and_then(settings::sync)),
    ];
    for (item, block) in settings {
        if let Some(block) = block {
            document.add(item, block);
        }
    }
    for (name, pool) in local_ips::pools(&state.local_ips) {
        document.add(Item::Pool(name.to_owned()), pool);
    }
    for (rule, full_nat) in &state.rules {
        document.add(Item::Rule(rule.clone()), rules::block(rule, full_nat));
    }
    let mut tables = service::tables(state);
    if notes.short {
        tables = lists::joined(tables, notes);
        let groups = shared::groups(&mut tables, notes);
        if let Some(defaults) = shared::defaults(&mut tables) {
            document.add(Item::Defaults, defaults);
        }
        for shared::Group { name, blocks } in groups {
            for block in blocks {
                document.add(Item::Group(name.clone()), block);
            }
        }
    }
    let mut several = BTreeMap::new();
    for table in tables {
        let [first, ..] = table.keys[..] else {
            continue;
        };
        if table.keys.len() > 1 {
            let keys = table.keys.iter().map(|key| (*key).clone());
            several.insert(first.clone(), keys.collect());
        }
        let addresses = table.addresses();
        let mut block = table.block;
        block.first("address", addresses);
        document.add(Item::Service(first.clone()), block);
        for (address, block) in table.servers {
            document.add(Item::Server(first.clone(), address), block);
        }
    }
    if let Some(toa) = state.toa.as_ref().filter(|toa| toa.is_running()) {
        document.add(Item::Toa, toa_block(toa));
    }
    Written {
        lists: several,
        ..document.finish()
    }
}

fn toa_block(toa: &Toa) -> Block {
    let mut block = Block::new("[toa]");
    let trust = toa
        .trust
        .iter()
        .map(|network| value::string(&network.to_string()));
    block.key("trust", value::array(trust));
    block
}

/// Returns nothing if the state has only what a file without `[director]` asks for.
fn director(state: &State) -> Option<Block> {
    if state.datapath.is_none() && state.port_secret.is_none() {
        return None;
    }
    let mut block = Block::new("[director]");
    if let Some(datapath) = &state.datapath {
        // The file's names are read as shell patterns.
        let patterns = datapath
            .interfaces
            .iter()
            .map(|name| value::string(&glob::Pattern::escape(name)));
        block.key("interfaces", value::array(patterns));
        if datapath.interfaces.is_empty() {
            block.remark(
                "the datapath runs without an interface; this file does not ask for it, so \
                 applying it stops the datapath",
            );
        }
        if !datapath.xdp.is_empty() && datapath.xdp == datapath.interfaces {
            block.key("xdp", "true".to_owned());
        } else if !datapath.xdp.is_empty() {
            let names = datapath.xdp.iter();
            let patterns = names.map(|name| value::string(&glob::Pattern::escape(name)));
            block.key("xdp", value::array(patterns));
        }
        if datapath.max_sessions != super::director::MAX_SESSIONS {
            block.key("max_sessions", value::grouped(datapath.max_sessions));
        }
        if !datapath.fast_path {
            block.key("fast_path", "false".to_owned());
        }
    }
    if let Some(secret) = state.port_secret {
        block.key("port_secret", value::string(&secret.reveal()));
    }
    Some(block)
}
