// SPDX-License-Identifier: GPL-2.0-only
//! The input of the metrics, and the families that are made from it.

use std::collections::BTreeSet;

use super::family::Family;
use super::{counters, follow, servers, toa};
use crate::datapath::abi::Counter;
use crate::director::{FollowerState, RunningLocalIp, RunningService};
use crate::kmod::proc::RuleLine;
use crate::toa::Counted;

/// The values that were read from the kernel. Parts that are not loaded are empty.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub ipvs: bool,
    pub module: bool,
    /// The number of sessions of each family that the maps can hold. `None`: no maps are
    /// registered.
    pub max_sessions: Option<u32>,
    /// The interfaces that carry the programs.
    pub interfaces: BTreeSet<String>,
    /// Those that carry the program of XDP, too.
    pub xdp: BTreeSet<String>,
    pub services: Vec<RunningService>,
    pub local_ips: Vec<RunningLocalIp>,
    pub rules: Vec<RuleLine>,
    pub module_counters: Vec<(String, u64)>,
    pub program_counters: Vec<(Counter, u64)>,
    /// `None`: no receiver of clients' addresses is running.
    pub receiver: Option<Counted>,
    /// `None`: no `apply --follow` is running.
    pub following: Option<FollowerState>,
}

pub fn families(snapshot: &Snapshot) -> Vec<Family> {
    let mut families = vec![
        Family::info("build", "The version of ipvs-bpf")
            .with(&[("version", env!("CARGO_PKG_VERSION").to_owned())], 1_u32),
        up(snapshot),
        max_sessions(snapshot),
        interfaces(snapshot),
        xdp(snapshot),
    ];
    families.extend(servers::services(&snapshot.services));
    families.extend(servers::servers(&snapshot.services));
    families.extend(local_ips(&snapshot.local_ips));
    families.push(rules(&snapshot.rules));
    families.extend(counters::module(&snapshot.module_counters));
    families.extend(counters::programs(&snapshot.program_counters));
    families.extend(toa::families(snapshot.receiver.as_ref()));
    families.extend(follow::families(snapshot.following.as_ref()));
    families
}

fn up(snapshot: &Snapshot) -> Family {
    let help = "Whether it is loaded: IPVS and the module ip_vs_bpf in the whole host, the eBPF \
                programs with their maps in this network namespace";
    let mut family = Family::gauge("up", help);
    for (part, is_up) in [
        ("ipvs", snapshot.ipvs),
        ("module", snapshot.module),
        ("programs", snapshot.max_sessions.is_some()),
    ] {
        family.add(&[("part", part.to_owned())], u32::from(is_up));
    }
    family
}

fn max_sessions(snapshot: &Snapshot) -> Family {
    let help = "The most sessions on the fast path, of IPv4 and of IPv6 each";
    let mut family = Family::gauge("max_sessions", help);
    if let Some(number) = snapshot.max_sessions {
        family.add(&[], number);
    }
    family
}

fn interfaces(snapshot: &Snapshot) -> Family {
    let help = "An interface that carries the eBPF programs";
    let mut family = Family::info("interface", help);
    for interface in &snapshot.interfaces {
        family.add(&[("interface", interface.clone())], 1_u32);
    }
    family
}

fn xdp(snapshot: &Snapshot) -> Family {
    let help = "An interface that carries the eBPF program of XDP, too";
    let mut family = Family::info("xdp_interface", help);
    for interface in &snapshot.xdp {
        family.add(&[("interface", interface.clone())], 1_u32);
    }
    family
}

fn rules(rules: &[RuleLine]) -> Family {
    let help = "Services of other programs that a rule made full NAT, with a recent client";
    let mut family = Family::gauge("rule_services", help);
    for line in rules {
        let or_all = |list: Option<String>| list.unwrap_or_else(|| "*".to_owned());
        let labels = [
            ("addresses", line.rule.network_list()),
            ("protocols", or_all(line.rule.protocol_list())),
            ("ports", or_all(line.rule.port_list())),
            ("interfaces", or_all(line.rule.interface_list())),
            ("snat", line.full_nat.pool.clone()),
        ];
        family.add(&labels, line.services);
    }
    family
}

fn local_ips(local_ips: &[RunningLocalIp]) -> Vec<Family> {
    let gauge = |name, help| Family::gauge(&format!("local_ip_{name}"), help);
    let mut sessions = gauge("sessions", "Sessions that have this local IP");
    let mut ports = gauge(
        "ports",
        "Sessions that it can have with the busiest server: usable ports",
    );
    let mut busiest = gauge(
        "busiest_server_sessions",
        "Sessions with the server that has most of the usable ports; if it has all, new ones fail",
    );
    for local_ip in local_ips {
        let labels = [
            ("pool", local_ip.pool.clone()),
            ("local_ip", local_ip.address.to_string()),
        ];
        sessions.add(&labels, local_ip.sessions);
        ports.add(&labels, local_ip.ports);
        busiest.add(
            &labels,
            local_ip.busiest_server.map_or(0, |server| server.sessions),
        );
    }
    vec![sessions, ports, busiest]
}
