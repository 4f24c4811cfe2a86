// SPDX-License-Identifier: GPL-2.0-only
//! The command line. The man pages are generated from this definition.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Declarative IPVS, with full NAT by eBPF instead of conntrack
///
/// One TOML file describes virtual services, schedulers, real servers and SNAT
/// local IPs; `ipvs-bpf apply` makes the kernel match it. A service with a
/// local IP pool gets full NAT: the companion module ip_vs_bpf mirrors each of
/// its IPVS connections as a session in an eBPF map, and eBPF programs at the
/// interfaces rewrite the source address from that map.
#[derive(Debug, Parser)]
#[command(
    name = "ipvs-bpf",
    version,
    after_help = "Exit status: 0 done; 1 failed; 130 stopped by Ctrl-C; 2 bad file or usage, and for `plan`: there are changes."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Debug)]
pub struct Global {
    /// Work in this network namespace (a name of `ip netns`)
    #[arg(long, global = true, value_name = "NAME")]
    pub netns: Option<String>,
    /// Print JSON for programs
    #[arg(long, global = true)]
    pub json: bool,
    /// File of the kernel module, instead of what modprobe finds
    #[arg(long, global = true, value_name = "PATH", env = "IPVS_BPF_MODULE")]
    pub module: Option<PathBuf>,
    /// Print each step as it is carried out
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the kernel match the file
    ///
    /// Validates the file, compares it with the kernel, carries the difference
    /// out, reads the kernel again and verifies. Applying the same file again
    /// does nothing. Two at once wait for one another.
    ///
    /// The steps have one order: sync daemons stop and settings change; the
    /// datapath, local IPs and full NAT come; services and servers come and
    /// change; then what goes, in the opposite order; daemons start after the
    /// servers. `--verbose` prints each step. A step takes effect whole or not at
    /// all. The first that fails, or SIGINT, SIGTERM or SIGHUP between two, ends
    /// the run: what was done stays and is said, together with what is left, and
    /// another run goes on from there. After a signal the exit status is 128 and
    /// its number (SIGINT: 130).
    Apply(Apply),
    /// Show what `apply` would do; exit 0: nothing, 2: changes
    Plan(Plan),
    /// Check the file alone, without looking at the kernel
    Validate(File),
    /// Show services and servers, or sessions
    Show(Show),
    /// Take everything of ours out of the kernel again
    ///
    /// Removes the virtual services of IPVS, ends their connections, and takes
    /// away the programs, maps and the module.
    Down(Down),
    /// Print the man page, or write one page a command into a folder
    Man(Man),
}

#[derive(Args, Debug)]
pub struct File {
    /// The file; `-` is standard input
    #[arg(
        short,
        long,
        value_name = "FILE",
        default_value = "/etc/ipvs-bpf/lb.toml"
    )]
    pub file: PathBuf,
}

#[derive(Args, Debug)]
pub struct Reconcile {
    #[command(flatten)]
    pub file: File,
    /// Leave the weights of servers that are there as the kernel has them
    ///
    /// So a server that was drained by hand stays drained. A server that is new
    /// takes the weight of the file.
    #[arg(long)]
    pub keep_weights: bool,
    /// Remove nothing that the file does not list
    ///
    /// Services, servers, local IPs, interfaces and sync daemons that the file
    /// does not list stay as they are.
    #[arg(long)]
    pub no_prune: bool,
    /// Leave services and pools alone that the file does not list
    ///
    /// They may belong to others. What a listed service or pool contains is
    /// still as the file says: servers and local IPs that it does not list there
    /// are removed. Interfaces and the eBPF programs stay.
    #[arg(long, conflicts_with = "no_prune")]
    pub only_listed: bool,
}

#[derive(Args, Debug)]
pub struct Apply {
    #[command(flatten)]
    pub reconcile: Reconcile,
    /// Print the plan and change nothing; exits like `plan`
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub struct Plan {
    #[command(flatten)]
    pub reconcile: Reconcile,
}

#[derive(Args, Debug)]
pub struct Show {
    /// The full-NAT sessions: client, VIP, local IP, server
    #[arg(long)]
    pub sessions: bool,
}

#[derive(Args, Debug)]
pub struct Down {
    /// Leave native virtual services in IPVS
    #[arg(long)]
    pub keep_native: bool,
}

#[derive(Args, Debug)]
pub struct Man {
    /// Write ipvs-bpf.8, ipvs-bpf-apply.8, … here
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
}
