// SPDX-License-Identifier: GPL-2.0-only
//! The command line. The man pages are generated from this definition.

mod jobs;
mod manual;
mod monitoring;
mod show;
mod usage;

use std::env;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

pub use jobs::{Completions, Drain, Flush, Shell, Target, Weight, Zero};
pub use monitoring::{Doctor, Metrics, MetricsFormat};
pub use show::{Show, View};
pub use usage::parse;

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
    after_long_help = manual::IPVS_BPF
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
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "NAME"
    )]
    pub netns: Option<String>,
    /// Print JSON for programs
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// File of the kernel module, instead of what modprobe finds; or set
    /// IPVS_BPF_MODULE
    // clap's own `env` would count as an argument where there are none.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "PATH",
        value_hint = ValueHint::FilePath
    )]
    module: Option<PathBuf>,
    /// Print each step as it is carried out
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
}

impl Global {
    pub fn module(&self) -> Option<PathBuf> {
        let named = || env::var_os("IPVS_BPF_MODULE").filter(|path| !path.is_empty());
        self.module.clone().or_else(|| named().map(PathBuf::from))
    }
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
    /// all. One that fails, or SIGINT, SIGTERM or SIGHUP between two, ends the
    /// run: what was done stays and is said, together with what is left, and
    /// another run goes on from there. Services and servers travel to the kernel
    /// 128 at once: one of them that fails keeps none of the others from being
    /// carried out.
    #[command(after_long_help = manual::APPLY)]
    Apply(Apply),
    /// Show what `apply` would do
    ///
    /// Compares the file with the kernel and prints the difference, in the order
    /// in which `apply` would carry it out. Nothing is changed.
    #[command(after_long_help = manual::PLAN)]
    Plan(Plan),
    /// Check the file alone, without looking at the kernel
    ///
    /// Every mistake is shown in one run, each in its line and with what would
    /// be right, on standard error. Warnings are about what a file may say but
    /// hardly means.
    #[command(after_long_help = manual::VALIDATE)]
    Validate(File),
    /// Show services and servers, connections, sessions, counters, …
    ///
    /// Changes nothing, and loads nothing: where IPVS or the module is not
    /// loaded, there is nothing to show. A service or server that is not there
    /// is an error (exit 1).
    ///
    /// On a terminal a table has the columns that fit, and names the others
    /// below it; long text ends in `…`. Elsewhere its lines are whole.
    #[command(after_long_help = manual::SHOW)]
    Show(Show),
    /// Give a server no new connections, and wait until its present ones end
    ///
    /// Sets the weight to 0 and waits: for connections of TCP and SCTP until
    /// both sides have closed them, for those of UDP until IPVS has forgotten
    /// them, since nothing else ends them. What IPVS remembers of a persistent
    /// service's clients is not waited for. At the timeout, at Ctrl-C, and when
    /// another program changes the server meanwhile, it stops with an error and
    /// says what is left; unless others changed it, the weight stays 0.
    #[command(after_long_help = manual::DRAIN)]
    Drain(Drain),
    /// Change the weight of a server
    #[command(after_long_help = manual::WEIGHT)]
    Weight(Weight),
    /// Set the counters of a service and its servers, or of all, to zero
    #[command(after_long_help = manual::ZERO)]
    Zero(Zero),
    /// Remove all virtual services; `down` removes the data plane too
    ///
    /// Takes every virtual service of the network namespace out of IPVS, native
    /// and full NAT, and asks before it does. Local IPs, eBPF programs and the
    /// module stay, and so do the connections: they carry nothing, but `apply`
    /// brings them back to life if it comes before they expire. `down` ends the
    /// connections and removes everything.
    #[command(after_long_help = manual::FLUSH)]
    Flush(Flush),
    /// Look for what is wrong with this host, and say what mends it
    ///
    /// Looks at the kernel, the module, sysctls, interfaces, addresses, the
    /// routes to the servers, and whatever else may be in the way of what the
    /// file asks for; without a file, of what runs. Changes nothing, and loads
    /// nothing. Each finding has a severity: with an error traffic fails, or
    /// `apply` does; a warning concerns some traffic, or its cost.
    #[command(after_long_help = manual::DOCTOR)]
    Doctor(Doctor),
    /// Print metrics for Prometheus: of services, servers, local IPs, counters
    ///
    /// Changes nothing, and loads nothing: where IPVS or the module is not
    /// loaded, ipvs_bpf_up says so. Totals are counters, from which Prometheus
    /// makes rates. With `--netns` each sample has the label netns.
    #[command(after_long_help = manual::METRICS)]
    Metrics(Metrics),
    /// Write the running state as a file that `apply` accepts
    ///
    /// Applying what it writes finds nothing to do. What no file can ask for
    /// is written as a comment, said on standard error, and makes the exit
    /// status 1.
    #[command(after_long_help = manual::SAVE)]
    Save(Save),
    /// Turn what `ipvsadm -Sn` prints, or a script of ipvsadm, into a file
    ///
    /// Reads the commands -A, -E, -a, -e, -C, --set and --start-daemon with long
    /// and short options, quotes and comments, and refuses the others by name.
    /// Every mistake is shown in its line. Looks at no kernel.
    #[command(after_long_help = manual::IMPORT)]
    Import(Import),
    /// Print the running state, or a file, as lines for `ipvsadm -R`
    ///
    /// What these lines cannot carry (full NAT, local IPs) is said on standard
    /// error.
    #[command(after_long_help = manual::EXPORT)]
    Export(Export),
    /// Take everything of ours out of the kernel again
    ///
    /// Removes the virtual services of IPVS, ends their connections, and takes
    /// away the programs, maps and the module.
    #[command(after_long_help = manual::DOWN)]
    Down(Down),
    /// Print the man page, or write one page a command into a folder
    ///
    /// The file has a page of its own, ipvs-bpf.toml(5), which is not among
    /// these.
    #[command(after_long_help = manual::MAN)]
    Man(Man),
    /// Print the completions of a shell
    ///
    /// They offer commands, options and files, and what the kernel has at that
    /// moment: services, servers and network namespaces. For those the shell runs
    /// `ipvs-bpf`, which offers none where the user may not ask for them.
    #[command(after_long_help = manual::COMPLETIONS)]
    Completions(Completions),
}

#[derive(Args, Debug)]
pub struct File {
    /// The file; `-` is standard input
    #[arg(
        short,
        long,
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
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

/// Where a file is written to.
#[derive(Args, Debug)]
pub struct Output {
    /// Write this file instead of standard output, whole or not at all
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Save {
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub struct Import {
    /// Text of ipvsadm; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, default_value = "-")]
    pub file: PathBuf,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub struct Export {
    /// Export this file instead of the running state; `-` is standard input
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Print what is lost as comments too: `ipvsadm-restore` takes them, `ipvsadm -R` does not
    #[arg(long)]
    pub comments: bool,
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
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub dir: Option<PathBuf>,
}
