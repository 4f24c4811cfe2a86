// SPDX-License-Identifier: GPL-2.0-only
//! `[sync]`: the daemons that synchronize connections with another director.

use std::net::IpAddr;

use super::address;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Section, form, integer, string};
use super::spelling::quoted;
use crate::model::{SyncDaemon, SyncDaemons, SyncState};

/// `IP_VS_IFNAME_MAXLEN`, without the NUL.
const LONGEST_INTERFACE: usize = 15;

/// The table as it is written, with the places of its parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Sync {
    pub daemons: SyncDaemons,
    /// The daemons' interfaces, in the order of [`SyncState::ALL`].
    pub interfaces: Vec<(String, Span)>,
}

pub(super) fn read(section: Section) -> Sync {
    let mut sync = Sync::default();
    for (key, state) in [("master", SyncState::Master), ("backup", SyncState::Backup)] {
        if let Some(described) = section.section(key, "a sync daemon")
            && let Some((daemon, span)) = daemon(described, state)
        {
            sync.interfaces.push((daemon.interface.clone(), span));
            sync.daemons.set(state, Some(daemon));
        }
    }
    section.finish();
    sync
}

fn daemon(section: Section, state: SyncState) -> Option<(SyncDaemon, Span)> {
    let interface = section
        .require("interface", "`interface = \"eth2\"`")
        .and_then(|value| string(value, "interface", section.mistakes));
    if let Some((name, span)) = &interface
        && !(1..=LONGEST_INTERFACE).contains(&name.len())
    {
        section.mistakes.add(Mistake::new(
            span,
            format!("{} is not a valid name for an interface", quoted(name)),
            format!("a name has 1 to {LONGEST_INTERFACE} bytes"),
        ));
    }
    let id = section.integer("id", 0, u8::MAX.into());
    let group = section
        .take("group")
        .and_then(|value| {
            let read = address::multicast;
            form(value, "group", "multicast group", read, section.mistakes)
        })
        .map_or(SyncDaemon::GROUP, |(group, _)| group);
    let port = section.integer("port", 1, u16::MAX.into());
    let ttl = section.integer("ttl", 1, u8::MAX.into());
    let sync_maxlen = sync_maxlen(&section, state, group, section.mistakes);
    section.finish();
    let (interface, span) = interface?;
    let daemon = SyncDaemon {
        interface: interface.to_owned(),
        id: fitting(id).unwrap_or_default(),
        group,
        port: fitting(port).unwrap_or(SyncDaemon::PORT),
        ttl: fitting(ttl).unwrap_or(SyncDaemon::TTL),
        sync_maxlen,
    };
    Some((daemon, span))
}

fn fitting<T: TryFrom<i64>>(number: Option<(i64, Span)>) -> Option<T> {
    T::try_from(number?.0).ok()
}

/// Reads `sync_maxlen`. The kernel cuts other lengths to its limits, so they
/// would not be read back as written (ip_vs_sync.c, start_sync_thread()).
fn sync_maxlen(
    section: &Section,
    state: SyncState,
    group: IpAddr,
    mistakes: &Mistakes,
) -> Option<u16> {
    let least = match state {
        SyncState::Master => 1,
        SyncState::Backup => 1024,
    };
    let headers = match group {
        IpAddr::V4(_) => 20 + 8,
        IpAddr::V6(_) => 40 + 8,
    };
    let value = section.take("sync_maxlen")?;
    let most = i64::from(u16::MAX) - headers;
    fitting(integer(value, "sync_maxlen", least, most, mistakes))
}
