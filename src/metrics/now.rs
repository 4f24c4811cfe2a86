// SPDX-License-Identifier: GPL-2.0-only
//! Everything that metrics are made of, and the families that it becomes.

use std::collections::BTreeSet;

use super::family::Family;
use super::{counters, servers, toa};
use crate::datapath::abi::Counter;
use crate::director::{LocalIpNow, ServiceNow};
use crate::toa::Counted;

/// What was read from the kernel. What is not loaded is empty.
#[derive(Clone, Debug, Default)]
pub struct Now {
    pub ipvs: bool,
    pub module: bool,
    /// Sessions of each family that the maps can hold; `None`: none are
    /// registered.
    pub max_sessions: Option<u32>,
    /// Those that carry the programs.
    pub interfaces: BTreeSet<String>,
    pub services: Vec<ServiceNow>,
    pub local_ips: Vec<LocalIpNow>,
    pub module_counters: Vec<(String, u64)>,
    pub program_counters: Vec<(Counter, u64)>,
    /// `None`: no receiver of clients' addresses runs.
    pub receiver: Option<Counted>,
}

pub fn families(now: &Now) -> Vec<Family> {
    let mut families = vec![
        Family::info("build", "The version of ipvs-bpf")
            .with(&[("version", env!("CARGO_PKG_VERSION").to_owned())], 1_u32),
        up(now),
        max_sessions(now),
        interfaces(now),
    ];
    families.extend(servers::services(&now.services));
    families.extend(servers::servers(&now.services));
    families.extend(local_ips(&now.local_ips));
    families.extend(counters::module(&now.module_counters));
    families.extend(counters::programs(&now.program_counters));
    families.extend(toa::families(now.receiver.as_ref()));
    families
}

fn up(now: &Now) -> Family {
    let help = "Whether it is there: IPVS, the module ip_vs_bpf, the eBPF programs with their maps";
    let mut family = Family::gauge("up", help);
    for (part, is_up) in [
        ("ipvs", now.ipvs),
        ("module", now.module),
        ("programs", now.max_sessions.is_some()),
    ] {
        family.add(&[("part", part.to_owned())], u32::from(is_up));
    }
    family
}

fn max_sessions(now: &Now) -> Family {
    let help = "Sessions that there can be, of IPv4 and of IPv6 each";
    let mut family = Family::gauge("max_sessions", help);
    if let Some(number) = now.max_sessions {
        family.add(&[], number);
    }
    family
}

fn interfaces(now: &Now) -> Family {
    let help = "An interface that carries the eBPF programs";
    let mut family = Family::info("interface", help);
    for interface in &now.interfaces {
        family.add(&[("interface", interface.clone())], 1_u32);
    }
    family
}

fn local_ips(local_ips: &[LocalIpNow]) -> Vec<Family> {
    let gauge = |name, help| Family::gauge(&format!("local_ip_{name}"), help);
    let mut sessions = gauge("sessions", "Sessions that have this local IP");
    let mut ports = gauge(
        "ports",
        "Sessions that it can have with the busiest server: usable ports",
    );
    let mut busiest = gauge(
        "busiest_server_sessions",
        "Sessions with the server that has most of the usable ports; at all, new ones fail",
    );
    for now in local_ips {
        let labels = [
            ("pool", now.pool.clone()),
            ("local_ip", now.address.to_string()),
        ];
        sessions.add(&labels, now.sessions);
        ports.add(&labels, now.ports);
        busiest.add(
            &labels,
            now.busiest_server.map_or(0, |server| server.sessions),
        );
    }
    vec![sessions, ports, busiest]
}
