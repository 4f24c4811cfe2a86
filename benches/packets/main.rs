// SPDX-License-Identifier: GPL-2.0-only
//! Instructions per packet on the ways through a director, in a virtual machine
//! that counts them (`lab/runner` boots it): `make bench`.

mod flow;
mod generator;
mod measure;
mod network;
mod path;
mod report;

use std::path::Path as FilePath;

use crate::flow::Protocol;
use crate::network::{FAMILIES, Network};
use crate::path::Path;

fn main() {
    network::run("modprobe", &["ip_vs", "conn_tab_bits=20"]);
    network::run("modprobe", &["nf_conntrack", "hashsize=1048576"]);
    let networks = Path::ALL.map(Network::lay_out);
    let mut rows = Vec::new();
    for family in FAMILIES {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            eprintln!("{family:?} {protocol:?}, one flow");
            rows.extend(measure::one_flow(&networks, family, protocol));
        }
        eprintln!("{family:?}, new sessions");
        rows.extend(measure::new_sessions(&networks, family));
        eprintln!("{family:?}, short connections");
        rows.extend(measure::short_connections(&networks, family));
        eprintln!("{family:?}, many flows");
        rows.extend(measure::many_flows(&networks, family));
    }
    report::print(&rows);
    report::write(&rows, FilePath::new("target/bench/report.json"));
}
