// SPDX-License-Identifier: GPL-2.0-only
//! The parts of a run, in order.

use crate::director::{USUAL, lay_out};
use crate::flow::{Family, Protocol};
use crate::namespace::run as command;
use crate::network::Network;
use crate::path::Path;
use crate::report::{Memory, Report, Row};
use crate::{growth, sparse, subjects};
use Family::{Ipv4, Ipv6};
use Protocol::{Tcp, Udp};

pub struct Part {
    pub name: &'static str,
    run: fn(&[&Network]) -> Findings,
}

#[derive(Default)]
pub struct Findings {
    pub rows: Vec<Row>,
    pub memory: Vec<Memory>,
}

impl From<Vec<Row>> for Findings {
    fn from(rows: Vec<Row>) -> Self {
        let memory = Vec::new();
        Findings { rows, memory }
    }
}

const fn part(name: &'static str, run: fn(&[&Network]) -> Findings) -> Part {
    Part { name, run }
}

/// Parts that make many sessions come last.
pub const PARTS: &[Part] = &[
    part("udp-ipv4", |all| subjects::one_flow(all, Ipv4, Udp).into()),
    part("tcp-ipv4", |all| subjects::one_flow(all, Ipv4, Tcp).into()),
    part("udp-ipv6", |all| subjects::one_flow(all, Ipv6, Udp).into()),
    part("tcp-ipv6", |all| subjects::one_flow(all, Ipv6, Tcp).into()),
    part("sessions-ipv4", |all| {
        subjects::new_sessions(all, Ipv4).into()
    }),
    part("sessions-ipv6", |all| {
        subjects::new_sessions(all, Ipv6).into()
    }),
    part("connections-ipv4", |all| {
        subjects::short_connections(all, Ipv4).into()
    }),
    part("connections-ipv6", |all| {
        subjects::short_connections(all, Ipv6).into()
    }),
    part("others-ipv4", |all| subjects::others(all, Ipv4).into()),
    part("others-ipv6", |all| subjects::others(all, Ipv6).into()),
    part("sparse-ipv4", |all| sparse::sparse(all, Ipv4)),
    part("flows-ipv4", |all| subjects::many_flows(all, Ipv4)),
    part("flows-ipv6", |all| subjects::many_flows(all, Ipv6)),
    part("growth", |all| growth::growth(all, Ipv4)),
];

/// The IPv4 parts that the goals use, except those that need many sessions.
pub const QUICK: [&str; 6] = [
    "udp-ipv4",
    "tcp-ipv4",
    "sessions-ipv4",
    "connections-ipv4",
    "others-ipv4",
    "sparse-ipv4",
];

/// Calls `done` after each part.
pub fn run(parts: &[&Part], paths: &[Path], done: impl Fn(&Report)) -> Report {
    command("modprobe", &["ip_vs", "conn_tab_bits=20"]);
    command("modprobe", &["nf_conntrack", "hashsize=1048576"]);
    // Packets that wait for the kernel thread of soft interrupts must not be dropped.
    command("sysctl", &["-qw", "net.core.netdev_max_backlog=1000000"]);
    eprintln!("laying out {} networks", paths.len());
    let networks: Vec<Network> = paths.iter().map(|path| lay_out(*path, USUAL)).collect();
    let networks: Vec<&Network> = networks.iter().collect();
    let mut report = Report::new();
    for (number, part) in parts.iter().enumerate() {
        eprintln!("part {} of {}: {}", number + 1, parts.len(), part.name);
        let findings = (part.run)(&networks);
        networks.iter().for_each(|network| network.check());
        report.add(findings, number + 1 == parts.len());
        done(&report);
    }
    report
}
