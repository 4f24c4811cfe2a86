// SPDX-License-Identifier: GPL-2.0-only
//! The arguments of `show`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::config::argument;
use crate::model::ServiceKey;

#[derive(Args, Debug)]
pub struct Show {
    /// Only these services: tcp://10.0.0.1:80, fwmark://7
    #[arg(
        value_name = "SERVICE",
        value_parser = argument::service,
        conflicts_with_all = ["local_ips", "toa", "timeouts", "daemon", "counters"]
    )]
    pub services: Vec<ServiceKey>,
    /// Only this server, 10.2.0.2:8080; may be repeated
    #[arg(
        long = "server",
        value_name = "ADDRESS:PORT",
        value_parser = argument::server,
        conflicts_with_all = ["local_ips", "toa", "timeouts", "daemon", "counters"]
    )]
    pub servers: Vec<SocketAddr>,
    #[command(flatten)]
    pub view: View,
    /// Sort tables by this column: its name in small letters, full-nat for
    /// "Full NAT"; numbers from the largest
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,
    /// Sort the other way round
    #[arg(long, requires = "sort")]
    pub reverse: bool,
    /// Print numbers in full and times in seconds; JSON always has them so
    #[arg(long)]
    pub exact: bool,
    /// Print names of addresses and ports instead of numbers, where they are
    /// found within two seconds; JSON always has numbers
    #[arg(long)]
    pub names: bool,
    /// Show it again and again, every so many seconds
    ///
    /// On a terminal as a live view: q or Ctrl-C ends it, arrow keys, Page Up
    /// and Page Down, Home and End scroll, left and right through the columns
    /// that do not fit. Elsewhere each look is printed, with
    /// an empty line between, or with --json as one line. Rates are those
    /// between two looks; at the first one, the kernel's.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2",
        value_parser = seconds
    )]
    pub watch: Option<Duration>,
}

/// What is shown; without any, services and servers.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct View {
    /// Connections, packets and bytes of services and servers so far
    #[arg(long)]
    pub stats: bool,
    /// The same per second
    #[arg(long)]
    pub rate: bool,
    /// Upper and lower thresholds of servers, 0 being none
    #[arg(long)]
    pub thresholds: bool,
    /// Persistence templates of servers
    #[arg(long)]
    pub persistent_conn: bool,
    /// The connections that IPVS knows
    #[arg(long)]
    pub connections: bool,
    /// The full-NAT sessions: client, VIP, local IP, server
    #[arg(long)]
    pub sessions: bool,
    /// The local IPs with their sessions, and how many of the usable ports are in
    /// use towards the server that has most of them: a port can serve one session
    /// with each server
    #[arg(long)]
    pub local_ips: bool,
    /// At a server: what became of connections from each local IP of a director, and
    /// whose naming of clients was refused
    #[arg(long)]
    pub toa: bool,
    /// How long connections live without a packet
    #[arg(long)]
    pub timeouts: bool,
    /// The connection synchronisation daemons
    #[arg(long)]
    pub daemon: bool,
    /// What the module and the eBPF programs counted
    #[arg(long)]
    pub counters: bool,
}

/// "2", "0.5"
fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.1..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it takes seconds, from 0.1 to 86400".to_owned())
}
