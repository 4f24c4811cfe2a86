// SPDX-License-Identifier: GPL-2.0-only
//! The state that the lines so far describe, with the comments above each
//! service and the places in the text.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::command::{Command, FORWARD, SERVICE};
use crate::config::diagnostics::{Mistake, Mistakes, Span};
use crate::config::write::{Item, Notes};
use crate::model::{Server, Service, ServiceKey, State, SyncDaemon, SyncState, Timeout, Timeouts};

/// The keys of the file, each with the ipvsadm options that set it.
const KEYS: &[(&str, &[&str])] = &[
    ("scheduler", &["scheduler"]),
    ("scheduler_flags", &["sched-flags"]),
    ("persistence", &["persistent"]),
    ("one_packet", &["ops"]),
    ("weight", &["weight"]),
    ("upper_threshold", &["u-threshold"]),
    ("lower_threshold", &["l-threshold"]),
    ("forward", &FORWARD),
    ("tunnel", &["tun-type"]),
];

#[derive(Default)]
pub(super) struct Table {
    pub state: State,
    pub notes: Notes,
    lines: HashMap<Item, Line>,
}

/// The line that added a service or server.
struct Line {
    address: Span,
    keys: Vec<(&'static str, Span)>,
}

impl Line {
    fn of(command: &Command, address: &[&str]) -> Self {
        let span = |names: &[&str]| Some(command.one_of(names)?.place().clone());
        Line {
            address: span(address).unwrap_or_else(|| command.span.clone()),
            keys: KEYS
                .iter()
                .filter_map(|(key, names)| Some((*key, span(names)?)))
                .collect(),
        }
    }
}

impl Table {
    /// Returns where the text sets this key of the file.
    pub fn span(&self, item: &Item, key: &str) -> Option<&Span> {
        let line = self.lines.get(item)?;
        let of_key = line.keys.iter().find(|(known, _)| *known == key);
        Some(of_key.map_or(&line.address, |(_, span)| span))
    }

    /// Removes the services only, as the kernel does.
    pub fn clear(&mut self) {
        self.state.services.clear();
        let is_setting = |item: &Item| matches!(item, Item::Timeouts | Item::Sync);
        self.lines.retain(|item, _| is_setting(item));
    }

    /// Sets the timeouts. A timeout of 0 is unchanged.
    pub fn set_timeouts(&mut self, command: &Command, timeouts: &Timeouts) {
        for timeout in Timeout::ALL {
            if let Some(seconds) = timeouts.get(timeout) {
                self.state.timeouts.set(timeout, Some(seconds));
            }
        }
        self.lines.insert(Item::Timeouts, Line::of(command, &[]));
    }

    pub fn start_daemon(
        &mut self,
        command: &Command,
        (state, daemon): (SyncState, SyncDaemon),
        mistakes: &Mistakes,
    ) {
        let daemons = self.state.sync.get_or_insert_default();
        let line = self.lines.entry(Item::Sync);
        let line = line.or_insert_with(|| Line::of(command, &[]));
        let key = match state {
            SyncState::Master => "master",
            SyncState::Backup => "backup",
        };
        if let Some((_, first)) = line.keys.iter().find(|(known, _)| *known == key) {
            let message = format!("the {key} daemon is started twice");
            let mistake = Mistake::new(&command.span, message, "remove one of the two");
            mistakes.add(mistake.see(first, "it is also here"));
            return;
        }
        line.keys.push((key, command.span.clone()));
        daemons.set(state, Some(daemon));
    }

    pub fn add_service(
        &mut self,
        command: &Command,
        key: ServiceKey,
        service: Service,
        mistakes: &Mistakes,
    ) {
        let item = Item::Service(key.clone());
        let line = Line::of(command, &SERVICE);
        if let Some(first) = self.lines.get(&item) {
            mistakes.add(twice(&line, first, &key));
            return;
        }
        self.lines.insert(item, line);
        self.state.services.insert(key, service);
    }

    /// Replaces all properties. The servers stay.
    pub fn edit_service(
        &mut self,
        command: &Command,
        key: ServiceKey,
        service: Service,
        mistakes: &Mistakes,
    ) {
        let line = Line::of(command, &SERVICE);
        let Some(old) = self.state.services.get_mut(&key) else {
            mistakes.add(absent(&line, &key));
            return;
        };
        let servers = std::mem::take(&mut old.servers);
        *old = Service { servers, ..service };
        self.lines.insert(Item::Service(key), line);
    }

    pub fn add_server(
        &mut self,
        command: &Command,
        key: &ServiceKey,
        (address, server): (SocketAddr, Server),
        mistakes: &Mistakes,
    ) {
        let Some(service) = self.state.services.get_mut(key) else {
            mistakes.add(absent(&Line::of(command, &SERVICE), key));
            return;
        };
        let item = Item::Server(key.clone(), address);
        let line = Line::of(command, &["real-server"]);
        if let Some(first) = self.lines.get(&item) {
            mistakes.add(twice(&line, first, &address));
            return;
        }
        service.servers.insert(address, server);
        self.lines.insert(item, line);
    }

    pub fn edit_server(
        &mut self,
        command: &Command,
        key: &ServiceKey,
        (address, server): (SocketAddr, Server),
        mistakes: &Mistakes,
    ) {
        let Some(service) = self.state.services.get_mut(key) else {
            mistakes.add(absent(&Line::of(command, &SERVICE), key));
            return;
        };
        let line = Line::of(command, &["real-server"]);
        let Some(old) = service.servers.get_mut(&address) else {
            mistakes.add(Mistake::new(
                &line.address,
                format!("{key} has no server {address} to edit"),
                "add it in a line before this one, or write -a here",
            ));
            return;
        };
        *old = server;
        let item = Item::Server(key.clone(), address);
        self.lines.insert(item, line);
    }
}

fn twice(line: &Line, first: &Line, what: &impl std::fmt::Display) -> Mistake {
    Mistake::new(
        &line.address,
        format!("{what} is added twice"),
        "remove one of the two, or edit (-E, -e) in the second",
    )
    .see(&first.address, "it is also here")
}

fn absent(line: &Line, key: &ServiceKey) -> Mistake {
    Mistake::new(
        &line.address,
        format!("no line before this one adds the service {key}"),
        format!(
            "add it: -A {} -s SCHEDULER",
            super::export::service_arguments(key)
        ),
    )
}
