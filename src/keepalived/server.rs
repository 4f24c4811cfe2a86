// SPDX-License-Identifier: GPL-2.0-only
//! Reads `real_server`.

use std::net::SocketAddr;

use super::tree::Entry;
use super::value;
use crate::config::diagnostics::Mistakes;
use crate::model::{Forward, Server};

/// A real server with what a file cannot carry of it.
pub(super) struct RealServer<'e> {
    pub entry: &'e Entry,
    pub address: SocketAddr,
    pub server: Server,
    pub left: Vec<&'e Entry>,
}

/// Reads a real server. `port` is that of the virtual server, and `forward` its method:
/// those that a real server without its own has.
pub(super) fn read<'e>(
    entry: &'e Entry,
    port: u16,
    forward: &Forward,
    mistakes: &Mistakes,
) -> Option<RealServer<'e>> {
    let ip = value::address(value::first_word(entry, mistakes)?, mistakes);
    let own = match entry.values().get(1) {
        Some(word) => value::port(word, mistakes),
        None => Some(port),
    };
    let mut server = Server {
        weight: 1,
        forward: forward.clone(),
        upper_threshold: 0,
        lower_threshold: 0,
    };
    let mut left = Vec::new();
    for inner in &entry.block {
        let number = |what| {
            let word = value::first_word(inner, mistakes)?;
            value::number(word, what, 0..=i32::MAX.unsigned_abs(), mistakes)
        };
        match inner.keyword() {
            "weight" => server.weight = number("weight").unwrap_or(1),
            "uthreshold" => server.upper_threshold = number("number of connections").unwrap_or(0),
            "lthreshold" => server.lower_threshold = number("number of connections").unwrap_or(0),
            "lvs_method" | "lb_kind" => server.forward = value::forward(inner, mistakes)?,
            _ => left.push(inner),
        }
    }
    let (Some(ip), Some(port)) = (ip, own) else {
        return None;
    };
    Some(RealServer {
        entry,
        address: SocketAddr::new(ip, port),
        server,
        left,
    })
}
