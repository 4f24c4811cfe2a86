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
    /// Sort tables by this column: its name in lower case, full-nat for "Full NAT";
    /// numbers in descending order
    #[arg(long, value_name = "COLUMN")]
    pub sort: Option<String>,
    /// Reverse the order
    #[arg(long, requires = "sort")]
    pub reverse: bool,
    /// Print numbers in full and times in seconds, as JSON always does
    #[arg(long)]
    pub exact: bool,
    /// Print names of addresses and ports instead of numbers, where they are
    /// found within two seconds; JSON always has numbers
    #[arg(long)]
    pub names: bool,
    /// Repeat the output every SECONDS
    ///
    /// On a terminal this is a live view: q or Ctrl-C ends it; arrow keys, Page Up and
    /// Page Down, Home and End scroll; left and right show the columns that do not fit.
    /// Elsewhere an empty line separates the outputs; with --json each output is one
    /// line. Rates are measured since the previous output; the first ones are the
    /// kernel's estimates.
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

/// The part that is shown; without any, services and servers.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub struct View {
    /// Connections, packets and bytes of services and servers so far
    #[arg(long)]
    pub stats: bool,
    /// The same per second
    #[arg(long)]
    pub rate: bool,
    /// Upper and lower thresholds of servers; 0: no limit
    #[arg(long)]
    pub thresholds: bool,
    /// Persistence templates of servers
    #[arg(long)]
    pub persistent_conn: bool,
    /// The connections that IPVS knows
    #[arg(long)]
    pub connections: bool,
    /// The full-NAT sessions: client, VIP, local IP, server, and which directions the
    /// eBPF program forwards, at tc or at XDP
    #[arg(long)]
    pub sessions: bool,
    /// The local IPs with their sessions, and how many usable ports the server with
    /// the most sessions takes: a port can serve one session with each server
    #[arg(long)]
    pub local_ips: bool,
    /// At a server: for each local IP of a director, how many connections named
    /// their client; and which senders of the option are not trusted
    #[arg(long)]
    pub toa: bool,
    /// How long IPVS keeps a connection without packets
    #[arg(long)]
    pub timeouts: bool,
    /// The connection synchronisation daemons
    #[arg(long)]
    pub daemon: bool,
    /// The counters of the module and the eBPF programs
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
