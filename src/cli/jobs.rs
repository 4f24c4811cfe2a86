// SPDX-License-Identifier: GPL-2.0-only
//! Arguments of the daily jobs, which change what runs without a file.

use std::net::SocketAddr;

use clap::Args;

use crate::config::argument;
use crate::model::ServiceKey;

/// The most that the kernel takes: `struct ip_vs_dest` has a signed weight.
const WEIGHT_MAX: i64 = i32::MAX as i64;

/// A server of a service, named as in the file.
#[derive(Args, Debug)]
pub struct Target {
    /// The virtual service, as in the file: tcp://10.0.0.1:80, fwmark://7
    #[arg(value_parser = argument::service)]
    pub service: ServiceKey,
    /// The real server, as in the file: 10.2.0.2:8080
    #[arg(value_parser = argument::server)]
    pub server: SocketAddr,
}

#[derive(Args, Debug)]
pub struct Drain {
    #[command(flatten)]
    pub target: Target,
    /// Wait at most this long: 90s, 15m, 1h30m; 0s checks once
    #[arg(long, value_name = "DURATION", value_parser = argument::duration)]
    pub timeout: Option<u32>,
    /// Remove the server when its connections have ended
    #[arg(long)]
    pub remove: bool,
}

#[derive(Args, Debug)]
pub struct Weight {
    #[command(flatten)]
    pub target: Target,
    /// The new weight; 0: no new connections
    #[arg(value_parser = clap::value_parser!(u32).range(0..=WEIGHT_MAX), allow_negative_numbers = true)]
    pub weight: u32,
}

#[derive(Args, Debug)]
pub struct Zero {
    /// The virtual service, as in the file; without it: all services
    #[arg(value_parser = argument::service)]
    pub service: Option<ServiceKey>,
}

#[derive(Args, Debug)]
pub struct Flush {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Those whose completions are tested.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}
