// SPDX-License-Identifier: GPL-2.0-only
//! Describes a step in words, on one line.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::net::{Ipv4Addr, SocketAddr};

use super::step::{Assignment, Step};
use crate::model::{
    Forward, FullNat, Netmask, Network, Persistence, Server, Service, SyncDaemon, Tunnel,
    TunnelChecksum,
};

impl Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.op().sign())?;
        match self {
            Step::ChangeTimeout { .. }
            | Step::ChangeSysctl { .. }
            | Step::StartDaemon { .. }
            | Step::StopDaemon { .. }
            | Step::StartToa { .. }
            | Step::ChangeToa { .. }
            | Step::StopToa { .. }
            | Step::StartDatapath { .. }
            | Step::ChangeDatapath { .. }
            | Step::StopDatapath { .. }
            | Step::ChangeFastPath { .. }
            | Step::ChangePortSecret { .. }
            | Step::Attach { .. }
            | Step::Detach { .. }
            | Step::AttachXdp { .. }
            | Step::DetachXdp { .. }
            | Step::AddLocalIp { .. }
            | Step::ChangeLocalIp { .. }
            | Step::RemoveLocalIp { .. }
            | Step::HandOver { .. }
            | Step::AddRule { .. }
            | Step::ChangeRule { .. }
            | Step::RemoveRule { .. } => f.write_str(&facts(self)),
            Step::AddFullNat { service, .. }
            | Step::ChangeFullNat { service, .. }
            | Step::RemoveFullNat { service, .. }
            | Step::AddService { service, .. }
            | Step::ChangeService { service, .. }
            | Step::RemoveService { service, .. } => write!(f, "{service} {}", facts(self)),
            Step::AddServer { service, .. }
            | Step::ChangeServer { service, .. }
            | Step::RemoveServer { service, .. } => write!(f, "{service} → {}", facts(self)),
        }
    }
}

/// Returns the details of a step, without its sign and its service's name.
pub(super) fn facts(step: &Step) -> String {
    match step {
        Step::ChangeTimeout { timeout, old, new } => {
            let old = old.map_or(String::new(), |seconds| format!("{seconds}s "));
            format!("timeout {timeout} {old}→ {new}s")
        }
        Step::ChangeSysctl { name, old, new } => {
            let old = old.as_ref().map_or(String::new(), |old| format!("{old} "));
            format!("sysctl {name} {old}→ {new}")
        }
        Step::StartDaemon { state, new: daemon } | Step::StopDaemon { state, old: daemon } => {
            format!("sync daemon {state} {}", daemon_facts(daemon))
        }
        Step::StartToa { trust } | Step::StopToa { trust } => {
            format!("clients' addresses from {}", networks(trust))
        }
        Step::ChangeToa {
            other_build,
            old,
            new,
        } => {
            let trust = if old == new {
                networks(new)
            } else {
                format!("{} → {}", networks(old), networks(new))
            };
            let programs = match other_build {
                true => ", programs → those of this build",
                false => "",
            };
            format!("clients' addresses from {trust}{programs}")
        }
        Step::StartDatapath {
            max_sessions,
            fast_path,
        } => {
            let fast_path = if *fast_path { "" } else { ", no fast path" };
            format!("datapath for {max_sessions} sessions{fast_path}")
        }
        Step::StopDatapath { max_sessions } => format!("datapath for {max_sessions} sessions"),
        Step::ChangeFastPath { old, new } => {
            let word = |on: bool| if on { "on" } else { "off" };
            format!("fast path {} → {}", word(*old), word(*new))
        }
        Step::ChangePortSecret { old, new } => match (old, new) {
            (None, Some(_)) => "port secret random → that of the file".to_owned(),
            (Some(_), None) => "port secret → random".to_owned(),
            _ => "port secret → that of the file".to_owned(),
        },
        Step::ChangeDatapath {
            other_build,
            old,
            new,
        } => {
            let programs = other_build.then(|| "programs → those of this build".to_owned());
            let sessions = (old != new).then(|| format!("datapath for {old} → {new} sessions"));
            let changes: Vec<String> = sessions.into_iter().chain(programs).collect();
            changes.join(", ")
        }
        Step::Attach { interface } | Step::Detach { interface } => {
            format!("interface {}", interface.escape_debug())
        }
        Step::AttachXdp { interface } => format!(
            "interface {} at XDP: its driver may reset its rings, and LRO goes off",
            interface.escape_debug()
        ),
        Step::DetachXdp { interface } => format!(
            "interface {} at XDP: its driver may reset its rings",
            interface.escape_debug()
        ),
        Step::AddLocalIp {
            address,
            new: assignment,
        }
        | Step::RemoveLocalIp {
            address,
            old: assignment,
        } => {
            format!(
                "local IP {address} in pool {:?}, ports {}",
                assignment.pool, assignment.ports
            )
        }
        Step::ChangeLocalIp { address, old, new } => {
            format!("local IP {address} {}", assignment_change(old, new))
        }
        Step::HandOver {
            address,
            old,
            new,
            services,
        } => {
            let change = assignment_change(old, new);
            match services.len() {
                0 => format!("local IP {address} {change}, with the rules that use it"),
                1 => format!("local IP {address} {change}, with the service that uses it"),
                n => format!("local IP {address} {change}, with the {n} services that use it"),
            }
        }
        Step::AddFullNat { new: value, .. } | Step::RemoveFullNat { old: value, .. } => {
            full_nat(value)
        }
        Step::ChangeFullNat { old, new, .. } => full_nat_change(old, new),
        Step::AddRule { rule, new: value } | Step::RemoveRule { rule, old: value } => {
            format!("other programs' services at {rule} {}", full_nat(value))
        }
        Step::ChangeRule { rule, old, new } => {
            format!(
                "other programs' services at {rule} {}",
                full_nat_change(old, new)
            )
        }
        Step::AddService { new, .. } => service_facts(new),
        Step::ChangeService { old, new, .. } => service_change(old, new),
        Step::RemoveService { old, .. } => match old.servers.len() {
            0 => service_facts(old),
            1 => format!("{} with its server", service_facts(old)),
            n => format!("{} with its {n} servers", service_facts(old)),
        },
        Step::AddServer { server, new, .. } => format!("{server} {}", server_facts(new)),
        Step::ChangeServer {
            server, old, new, ..
        } => format!("{server} {}", server_change(old, new)),
        Step::RemoveServer { server, .. } => server.to_string(),
    }
}

pub(super) fn full_nat(full_nat: &FullNat) -> String {
    let FullNat {
        pool,
        client_address,
    } = full_nat;
    match client_address {
        Some(way) => format!("full NAT from pool {pool:?}, client address by {way}"),
        None => format!("full NAT from pool {pool:?}"),
    }
}

fn full_nat_change(old: &FullNat, new: &FullNat) -> String {
    let word = |full_nat: &FullNat| match full_nat.client_address {
        Some(way) => way.to_string(),
        None => "none".to_owned(),
    };
    let mut text = "full NAT".to_owned();
    if old.pool != new.pool {
        text += &format!(" from pool {:?} → {:?}", old.pool, new.pool);
    }
    if old.client_address != new.client_address {
        text += &format!(", client address by {} → {}", word(old), word(new));
    }
    text
}

/// Collects "name old → new" for each difference.
#[derive(Default)]
struct Changes(Vec<String>);

impl Changes {
    fn add(&mut self, name: &str, old: impl Display, new: impl Display) {
        let (old, new) = (old.to_string(), new.to_string());
        if old != new {
            self.0.push(format!("{name} {old} → {new}"));
        }
    }

    fn list(self) -> String {
        self.0.join(", ")
    }
}

fn assignment_change(old: &Assignment, new: &Assignment) -> String {
    let mut changes = Changes::default();
    let quoted = |assignment: &Assignment| format!("{:?}", assignment.pool);
    if old.pool == new.pool {
        changes.0.push(format!("in pool {}", quoted(old)));
    }
    changes.add("pool", quoted(old), quoted(new));
    changes.add("ports", old.ports, new.ports);
    changes.list()
}

fn daemon_facts(daemon: &SyncDaemon) -> String {
    let mut facts = format!("at {}, id {}", daemon.interface.escape_debug(), daemon.id);
    if (daemon.group, daemon.port) != (SyncDaemon::GROUP, SyncDaemon::PORT) {
        let to = SocketAddr::new(daemon.group, daemon.port);
        facts += &format!(", group {to}");
    }
    if daemon.ttl != SyncDaemon::TTL {
        facts += &format!(", ttl {}", daemon.ttl);
    }
    if let Some(bytes) = daemon.sync_maxlen {
        facts += &format!(", sync_maxlen {bytes}");
    }
    facts
}

fn service_facts(service: &Service) -> String {
    let mut facts = vec![service.scheduler.escape_debug().to_string()];
    if service.scheduler_flags.contains(&true) {
        facts.push(scheduler_flags(service));
    }
    if let Some(persistence) = &service.persistence {
        facts.push(format!("persistent {}", persistence_facts(persistence)));
    }
    if service.one_packet {
        facts.push("one-packet".to_owned());
    }
    facts.join(", ")
}

fn service_change(old: &Service, new: &Service) -> String {
    let persistence = |service: &Service| {
        service
            .persistence
            .as_ref()
            .map_or("none".to_owned(), persistence_facts)
    };
    let one_packet = |service: &Service| if service.one_packet { "on" } else { "off" };

    let mut changes = Changes::default();
    changes.add(
        "scheduler",
        old.scheduler.escape_debug(),
        new.scheduler.escape_debug(),
    );
    // A bit has another name under another scheduler.
    if old.scheduler_flags != new.scheduler_flags {
        changes.add("flags", scheduler_flags(old), scheduler_flags(new));
    }
    changes.add("persistence", persistence(old), persistence(new));
    changes.add("one-packet", one_packet(old), one_packet(new));
    changes.list()
}

fn scheduler_flags(service: &Service) -> String {
    match service.scheduler_flag_names().as_slice() {
        [] => "none".to_owned(),
        names => names.join("+"),
    }
}

fn persistence_facts(persistence: &Persistence) -> String {
    let mut facts = format!("{} s", persistence.timeout);
    match persistence.netmask {
        Netmask::V4(Ipv4Addr::BROADCAST) | Netmask::V6(128) => {}
        Netmask::V4(mask) => {
            let ones = mask.to_bits().leading_ones();
            if mask.to_bits().count_ones() == ones {
                facts += &format!(" by /{ones}");
            } else {
                facts += &format!(" by mask {mask}");
            }
        }
        Netmask::V6(length) => facts += &format!(" by /{length}"),
    }
    if let Some(engine) = &persistence.engine {
        facts += &format!(" engine {}", engine.escape_debug());
    }
    facts
}

fn server_facts(server: &Server) -> String {
    let mut facts = format!("weight {}", server.weight);
    if server.forward != Forward::Masq {
        facts += &format!(", {}", forward(&server.forward));
    }
    if server.upper_threshold != 0 {
        facts += &format!(", upper threshold {}", server.upper_threshold);
    }
    if server.lower_threshold != 0 {
        facts += &format!(", lower threshold {}", server.lower_threshold);
    }
    facts
}

fn server_change(old: &Server, new: &Server) -> String {
    let mut changes = Changes::default();
    changes.add("weight", old.weight, new.weight);
    changes.add("forward", forward(&old.forward), forward(&new.forward));
    changes.add("upper threshold", old.upper_threshold, new.upper_threshold);
    changes.add("lower threshold", old.lower_threshold, new.lower_threshold);
    changes.list()
}

fn forward(forward: &Forward) -> String {
    match forward {
        Forward::Masq => "masq".to_owned(),
        Forward::Route => "route".to_owned(),
        Forward::Local => "local".to_owned(),
        Forward::Tunnel(Tunnel::Ipip) => "tunnel ipip".to_owned(),
        Forward::Tunnel(Tunnel::Gue { port, checksum }) => {
            format!("tunnel gue port {port}{}", tunnel_checksum(*checksum))
        }
        Forward::Tunnel(Tunnel::Gre { checksum }) => {
            format!("tunnel gre{}", tunnel_checksum(*checksum))
        }
    }
}

fn networks(networks: &BTreeSet<Network>) -> String {
    if networks.is_empty() {
        return "nobody".to_owned();
    }
    let names: Vec<String> = networks.iter().map(Network::to_string).collect();
    names.join(", ")
}

fn tunnel_checksum(checksum: TunnelChecksum) -> &'static str {
    match checksum {
        TunnelChecksum::None => "",
        TunnelChecksum::Full => " checksum full",
        TunnelChecksum::Remote => " checksum remote",
    }
}
