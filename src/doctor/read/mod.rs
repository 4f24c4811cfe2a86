// SPDX-License-Identifier: GPL-2.0-only
//! Reads the facts of this host. It loads and changes nothing. The only packets that
//! it sends are ARP probes.

mod apps;
mod attachments;
mod duplicates;
mod firewall;
mod kernel;
mod links;
mod module;
mod routes;
mod routing_rules;
mod sysctls;

pub use apps::read as apps;

use std::path::Path;

use super::running::Running;
use super::toa::Receiver;
use super::{Compared, Facts};
use crate::director::{self, Error, Listeners, LocalAddresses};
use crate::model::State;
use crate::toa;

/// Reads the facts for the state of a file, or for the running state. `module`: the
/// user's module file.
pub fn facts(file: Option<(State, Compared)>, module: Option<&Path>) -> Result<Facts, Error> {
    let (wanted, file) = match file {
        Some((wanted, file)) => (wanted, Some(file)),
        None => (director::running_state()?, None),
    };
    let attachments = attachments::read(&wanted)?;
    let mut links = links::read().map_err(Error::Interfaces)?;
    duplicates::mark(&mut links, &wanted);
    Ok(Facts {
        kernel: kernel::read(),
        module: module::read(module),
        sysctls: sysctls::read(),
        links,
        attachments,
        local: LocalAddresses::observe()?,
        routes: routes::read(&wanted),
        routing_rules: routing_rules::read(),
        firewall: firewall::read(),
        apps: apps::read(),
        receiver: receiver()?,
        listeners: Listeners::observe(),
        wanted,
        file,
        running: Running {
            unserved: director::unserved_services()?,
            lost_pins: director::pins_are_lost()?,
            by_rule: director::services_by_rule()?,
            syncs: director::syncs()?,
            has_random_secret: director::has_random_secret()?,
        },
    })
}

fn receiver() -> Result<Receiver, Error> {
    let cgroup = toa::cgroup::root();
    Ok(Receiver {
        is_host_root: cgroup.as_deref().is_some_and(toa::cgroup::is_of_host),
        others: cgroup
            .as_deref()
            .map_or_else(Vec::new, toa::hooks::other_programs),
        missing_pins: toa::missing_pins()?,
        cgroup,
        counted: toa::counted()?,
    })
}

/// Reads a file of one line.
/// `None`: the file does not exist or is not readable.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}
