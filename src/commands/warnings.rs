// SPDX-License-Identifier: GPL-2.0-only
//! What is no mistake of the file, but hardly what was meant.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::director::{self, HostPorts, LocalAddresses};
use crate::kmod::module;
use crate::model::{ServiceKey, State};
use crate::output;

/// As many are printed; programs get all of them.
const MOST: usize = 10;

pub(super) fn of(desired: &State) -> Vec<String> {
    let local = match LocalAddresses::observe() {
        Ok(local) => local,
        Err(error) => return vec![error.to_string()],
    };
    let mut warnings: Vec<_> = other_version().into_iter().collect();
    warnings.extend(lost_pins());
    warnings.extend(no_fast_path(desired));
    warnings.extend(vips_elsewhere(desired, &local));
    warnings.extend(local_servers(desired, &local));
    match HostPorts::observe() {
        Ok(ports) => warnings.extend(drawn_ports(desired, &local, &ports)),
        Err(error) => warnings.push(error.to_string()),
    }
    warnings
}

/// After an upgrade the older module works on: it goes only with what it carries.
fn other_version() -> Option<String> {
    let ours = env!("CARGO_PKG_VERSION");
    let loaded = module::version().filter(|version| version != ours)?;
    Some(format!(
        "the module that is loaded is of version {loaded}, ipvs-bpf of {ours}: it works on until \
         `ipvs-bpf down`, which ends connections, and `apply` loads the one that is installed"
    ))
}

/// Full NAT works without the eBPF program, and is slower.
fn no_fast_path(desired: &State) -> Option<String> {
    (!desired.full_nat.is_empty() && desired.datapath.is_none()).then(|| {
        "there is no fast path, so every packet passes through IPVS: list the interfaces to \
         clients and to servers as [director] `interfaces`"
            .to_owned()
    })
}

/// Other tools can remove pins; programs and sessions do not need them.
fn lost_pins() -> Option<String> {
    let lost = director::pins_are_lost().unwrap_or(false);
    lost.then(|| {
        "the eBPF programs work, but their pins are gone from /sys/fs/bpf, and with them their \
         counters: `ipvs-bpf apply` puts programs with pins in their place"
            .to_owned()
    })
}

/// For those who ask for the counters.
pub(super) fn say_of_counters() {
    say(&Vec::from_iter(lost_pins()));
}

/// VIPs that are no address of this host. IPVS meets packets at LOCAL_IN, full
/// NAT before it but only what is routed to this host, so both need that. A
/// firewall mark has no address to look at.
fn vips_elsewhere(desired: &State, local: &LocalAddresses) -> Vec<String> {
    let vips: BTreeSet<IpAddr> = desired
        .services
        .keys()
        .filter_map(|key| match key {
            ServiceKey::Address { address, .. } => Some(address.ip()),
            ServiceKey::Fwmark { .. } => None,
        })
        .filter(|address| !local.contains(*address))
        .collect();
    vips.iter().map(vip).collect()
}

/// Full NAT whose server is this host: its answers come in at no interface, so the
/// module leaves the connection to IPVS.
fn local_servers(desired: &State, local: &LocalAddresses) -> Vec<String> {
    let full_nat = desired.full_nat.keys().filter_map(|key| {
        let service = desired.services.get(key)?;
        Some((key, service.servers.keys()))
    });
    full_nat
        .flat_map(|(key, servers)| servers.map(move |server| (key, server)))
        .filter(|(_, server)| local.contains(server.ip()))
        .map(|(key, server)| {
            format!(
                "{key} → {server}: the server is this host, so its connections are native: \
                 it sees the client's address, not a local IP"
            )
        })
        .collect()
}

/// Local IPs that are addresses of this host, of whose ports none is left.
fn drawn_ports(desired: &State, local: &LocalAddresses, ports: &HostPorts) -> Vec<String> {
    let unusable = desired
        .local_ips
        .iter()
        .filter(|(ip, range)| local.shares_ports(ip.address) && ports.draws_all(**range));
    unusable
        .map(|(ip, range)| {
            format!(
                "local IP {ip}: it is an address of this host, which draws all of the ports \
                 {range} for its own connections, so no TCP or UDP session takes one: choose other \
                 `ports`, or keep the host from them by \
                 `sysctl net.ipv4.ip_local_reserved_ports={}`",
                ports.reserving(*range)
            )
        })
        .collect()
}

fn vip(address: &IpAddr) -> String {
    let length = if address.is_ipv4() { 32 } else { 128 };
    format!(
        "the VIP {address} is no address of this host, whose services there see no packet: \
         `ip address add {address}/{length} dev lo` makes it one"
    )
}

pub(super) fn say(warnings: &[String]) {
    for warning in warnings.iter().take(MOST) {
        output::say(format_args!("ipvs-bpf: warning: {warning}"));
    }
    if let Some(more) = warnings.len().checked_sub(MOST).filter(|more| *more > 0) {
        output::say(format_args!("ipvs-bpf: warning: {more} more of these"));
    }
}
