// SPDX-License-Identifier: GPL-2.0-only
//! [`State`] → the text of a file that asks for it, as a person would write
//! it: in the order of the manual, without what is the default anyway.

mod layout;
mod local_ips;
mod rules;
mod saved;
mod service;
mod settings;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

use layout::{Block, Document};
pub use saved::{Saved, save};
pub use settings::changed_sysctls;

use crate::model::{Datapath, Rule, ServiceKey, State, Toa};

/// What a part of the file describes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    Director,
    Timeouts,
    Sysctl,
    Sync,
    Pool(String),
    Rule(Rule),
    Service(ServiceKey),
    Server(ServiceKey, SocketAddr),
    Toa,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Director => f.write_str("[director]"),
            Place::Timeouts => f.write_str("[timeouts]"),
            Place::Sysctl => f.write_str("[sysctl]"),
            Place::Sync => f.write_str("[sync]"),
            Place::Pool(name) => write!(f, "the pool {name:?}"),
            Place::Rule(rule) => write!(f, "the rule for {rule}"),
            Place::Service(key) => key.fmt(f),
            Place::Toa => f.write_str("[toa]"),
            Place::Server(key, address) => write!(f, "the server {address} of {key}"),
        }
    }
}

/// What goes into the file beside the state.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Comments of the whole file, before everything else.
    pub head: Vec<String>,
    /// Comments above a part.
    pub above: BTreeMap<Place, Vec<String>>,
    /// Comments after everything else.
    pub tail: Vec<String>,
    /// Parts that no file can ask for, and why: they are written as comments.
    pub refused: BTreeMap<Place, Vec<String>>,
}

/// The text of a file, and which part of it describes what.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub text: String,
    /// Bytes of the text, in its order.
    places: Vec<(Range<usize>, Place)>,
    /// What of the state is only nearly what was written.
    remarks: Vec<(Place, String)>,
}

impl Written {
    /// The part that this byte belongs to, and the key of its line.
    pub fn at(&self, byte: usize) -> Option<(&Place, &str)> {
        let index = self
            .places
            .partition_point(|(range, _)| range.start <= byte)
            .checked_sub(1)?;
        let (range, place) = self.places.get(index)?;
        let begin = self.text.get(..byte)?.rfind('\n').map_or(0, |at| at + 1);
        let line = self.text.get(begin..)?.lines().next().unwrap_or_default();
        let key = line.split_once('=').map_or("", |(key, _)| key.trim());
        range.contains(&byte).then_some((place, key))
    }
}

pub fn write(state: &State, notes: &Notes) -> Written {
    let mut document = Document::new(notes);
    if let Some(datapath) = &state.datapath {
        document.add(Place::Director, director(datapath));
    }
    let settings = [
        (Place::Timeouts, settings::timeouts(&state.timeouts)),
        (Place::Sysctl, settings::sysctl(&state.sysctls)),
        (Place::Sync, state.sync.as_ref().and_then(settings::sync)),
    ];
    for (place, block) in settings {
        if let Some(block) = block {
            document.add(place, block);
        }
    }
    for (name, pool) in local_ips::pools(&state.local_ips) {
        document.add(Place::Pool(name.to_owned()), pool);
    }
    for (rule, pool) in &state.rules {
        document.add(Place::Rule(rule.clone()), rules::block(rule, pool));
    }
    for (key, service) in &state.services {
        let place = Place::Service(key.clone());
        let pool = state.full_nat.get(key).map(String::as_str);
        document.add(place, service::block(key, service, pool));
        for (address, server) in &service.servers {
            let place = Place::Server(key.clone(), *address);
            document.add(place, service::server(*address, server, key));
        }
    }
    if let Some(toa) = state.toa.as_ref().filter(|toa| toa.is_running()) {
        document.add(Place::Toa, toa_block(toa));
    }
    document.finish()
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

fn director(datapath: &Datapath) -> Block {
    let mut block = Block::new("[director]");
    // They are read as shell patterns.
    let patterns = datapath
        .interfaces
        .iter()
        .map(|name| value::string(&glob::Pattern::escape(name)));
    block.key("interfaces", value::array(patterns));
    if datapath.max_sessions != super::director::MAX_SESSIONS {
        block.key("max_sessions", value::grouped(datapath.max_sessions));
    }
    if !datapath.fast_path {
        block.key("fast_path", "false".to_owned());
    }
    block
}
