// SPDX-License-Identifier: GPL-2.0-only
//! Instructions per packet on the ways through a director, in a virtual machine
//! that counts them (`lab/runner` boots it): `make bench`.

mod flow;
mod generator;
mod measure;
mod network;
mod path;
mod report;
mod subjects;

use std::path::Path as FilePath;

use crate::flow::{Family, Protocol};
use crate::network::{FAMILIES, Network};
use crate::path::Path;

fn main() {
    network::run("modprobe", &["ip_vs", "conn_tab_bits=20"]);
    network::run("modprobe", &["nf_conntrack", "hashsize=1048576"]);
    // What waits for the kernel's thread of soft interrupts must not be dropped.
    network::run("sysctl", &["-qw", "net.core.netdev_max_backlog=1000000"]);
    let networks = Path::ALL.map(Network::lay_out);
    let networks: Vec<&Network> = networks.iter().collect();
    let mut rows = Vec::new();
    // `cargo bench --bench packets -- quick`: what the goals speak of, in IPv4.
    if std::env::args().any(|word| word == "quick") {
        rows.extend(subjects::one_flow(&networks, Family::Ipv4, Protocol::Udp));
        rows.extend(subjects::new_sessions(&networks, Family::Ipv4));
        rows.extend(subjects::short_connections(&networks, Family::Ipv4));
        return report::print(&rows);
    }
    for family in FAMILIES {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            eprintln!("{family:?} {protocol:?}, one flow");
            rows.extend(subjects::one_flow(&networks, family, protocol));
        }
        eprintln!("{family:?}, new sessions");
        rows.extend(subjects::new_sessions(&networks, family));
        eprintln!("{family:?}, short connections");
        rows.extend(subjects::short_connections(&networks, family));
        eprintln!("{family:?}, many flows");
        rows.extend(subjects::many_flows(&networks, family));
    }
    eprintln!("growth");
    let (grown, memory) = subjects::growth(&networks, Family::Ipv4);
    rows.extend(grown);
    report::print(&rows);
    println!(
        "{} bytes of kernel memory a session",
        memory.bytes_a_session
    );
    report::write(&rows, memory, FilePath::new("target/bench/report.json"));
}
