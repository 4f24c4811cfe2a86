// SPDX-License-Identifier: GPL-2.0-only
//! The facts of this host. Nothing is loaded or changed, and of packets only
//! ARP probes are sent.

mod apps;
mod carriers;
mod duplicates;
mod firewall;
mod kernel;
mod links;
mod module;
mod routes;
mod sysctls;

pub use apps::read as apps;

use std::path::Path;

use super::running::Running;
use super::toa::Receiver;
use super::{Compared, Facts};
use crate::director::{self, Error, LocalAddresses};
use crate::model::State;
use crate::toa;

/// For what a file asks for, or for what runs. `module` is the file of the module that
/// the user named.
pub fn facts(file: Option<(State, Compared)>, module: Option<&Path>) -> Result<Facts, Error> {
    let (wanted, file) = match file {
        Some((wanted, file)) => (wanted, Some(file)),
        None => (director::state_now()?, None),
    };
    let carriers = carriers::read(&wanted)?;
    let mut links = links::read().map_err(Error::Interfaces)?;
    duplicates::mark(&mut links, &wanted);
    Ok(Facts {
        kernel: kernel::read(),
        module: module::read(module),
        sysctls: sysctls::read(),
        links,
        carriers,
        local: LocalAddresses::observe()?,
        routes: routes::read(&wanted),
        firewall: firewall::read(),
        apps: apps::read(),
        receiver: receiver()?,
        wanted,
        file,
        running: Running {
            unserved: director::unserved_now()?,
            lost_pins: director::pins_are_lost()?,
        },
    })
}

fn receiver() -> Result<Receiver, Error> {
    let cgroup = toa::cgroup::root();
    Ok(Receiver {
        is_host_root: cgroup.as_deref().is_some_and(toa::cgroup::is_of_host),
        cgroup,
        counted: toa::counted()?,
    })
}

/// A file of one line; `None` where it is not there or not for us.
fn line(path: impl AsRef<Path>) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}
