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
/// local IP pool gets full NAT: the companion module ip_vs_bpf makes each of its
/// IPVS connections a session and rewrites both addresses of its packets. An eBPF
/// program at the interfaces forwards established flows without it.
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
    /// Work in this network namespace (by its name in `ip netns`)
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
    /// does nothing. Concurrent runs are serialized.
    ///
    /// The order of the steps is fixed: sync daemons stop and settings change; the
    /// datapath, local IPs and full NAT are added; services and servers are added
    /// and changed, and after that removed; sync daemons start; full NAT, local IPs
    /// and the datapath are removed. `--verbose` prints each step. A step takes
    /// effect completely or not at all. A failed step, or SIGINT, SIGTERM or SIGHUP
    /// between two steps, ends the run: completed steps are kept and listed with
    /// those that are left, and the next run continues from there. Services and
    /// servers are sent to the kernel 128 at a time; a failure of one does not stop
    /// the others.
    #[command(after_long_help = manual::APPLY)]
    Apply(Apply),
    /// Show what `apply` would do
    ///
    /// Compares the file with the kernel and prints the difference, in the order
    /// in which `apply` would carry it out. Nothing is changed.
    #[command(after_long_help = manual::PLAN)]
    Plan(Plan),
    /// Check only the file, without looking at the kernel
    ///
    /// Every mistake is shown in one run, with its line and its fix, on standard
    /// error. Warnings are about valid text that is probably not intended.
    #[command(after_long_help = manual::VALIDATE)]
    Validate(File),
    /// Show services and servers, connections, sessions, counters, …
    ///
    /// Changes nothing and loads nothing: where IPVS or the module is not loaded,
    /// there is nothing to show. A service or server that does not exist is an
    /// error (exit 1).
    ///
    /// On a terminal a table shows the columns that fit and names the others below
    /// it; long text ends in `…`. Elsewhere all columns are printed.
    #[command(after_long_help = manual::SHOW)]
    Show(Show),
    /// Stop new connections to a server, and wait until the existing ones end
    ///
    /// Sets the weight to 0 and waits: for connections of TCP and SCTP until
    /// both sides have closed them, for those of UDP until they time out in IPVS.
    /// It does not wait for persistence templates. At the timeout, at Ctrl-C, and
    /// when another program changes the server meanwhile, it stops with an error
    /// that says what is left. The weight stays 0 unless another program changed
    /// it.
    #[command(after_long_help = manual::DRAIN)]
    Drain(Drain),
    /// Change the weight of a server
    #[command(after_long_help = manual::WEIGHT)]
    Weight(Weight),
    /// Set the counters of one service and its servers, or of all services, to zero
    #[command(after_long_help = manual::ZERO)]
    Zero(Zero),
    /// Remove all virtual services; `down` removes the data plane too
    ///
    /// Removes every virtual service of the network namespace from IPVS, native and
    /// full NAT, and asks first. Local IPs, eBPF programs and the module stay, and
    /// so do the connections: they pass no packets, but `apply` makes them work
    /// again if it runs before they expire. `down` ends the connections and
    /// removes these too.
    #[command(after_long_help = manual::FLUSH)]
    Flush(Flush),
    /// Check this host: what is wrong, why it matters, how to fix it
    ///
    /// Checks the kernel, the module, sysctls, interfaces, addresses, routes to the
    /// servers, and everything else that the file needs or, without a file, the running
    /// configuration. Changes nothing and loads nothing. Each finding has a severity.
    /// An error: traffic or `apply` fails. A warning: some traffic fails, or costs more
    /// than it should.
    #[command(after_long_help = manual::DOCTOR)]
    Doctor(Doctor),
    /// Print metrics of services, servers, local IPs and counters for Prometheus
    ///
    /// Changes nothing and loads nothing: where IPVS or the module is not loaded,
    /// ipvs_bpf_up says so. Totals are counters, from which Prometheus computes
    /// rates. With `--netns` each sample has the label netns.
    #[command(after_long_help = manual::METRICS)]
    Metrics(Metrics),
    /// Write the running state as a file that `apply` accepts
    ///
    /// Applying the result changes nothing. What services share is written once, where
    /// that is shorter: lists of addresses, groups of servers and `[defaults]`. Sysctls with
    /// the kernel's default are left out, and those whose default depends on the host are
    /// comments. State that a file cannot describe is written as a comment and reported on
    /// standard error, and the exit status is 1.
    #[command(after_long_help = manual::SAVE)]
    Save(Save),
    /// Turn rules of ipvsadm, or keepalived.conf, into a file
    ///
    /// From ipvsadm it reads what `ipvsadm -Sn` prints, or a script: the commands -A,
    /// -E, -a, -e, -C, --set and --start-daemon with long and short options,
    /// quotes and comments. It refuses other commands by name. From keepalived.conf
    /// it reads virtual_server, virtual_server_group and real_server. Checks, VRRP
    /// and the rest become comments with their line. Included files are not read.
    /// Every mistake is shown with its line. The kernel is not read or changed.
    #[command(after_long_help = manual::IMPORT)]
    Import(Import),
    /// Print the running state, or a file, as lines for `ipvsadm -R`
    ///
    /// State that these lines cannot describe (full NAT, local IPs) is reported on
    /// standard error.
    #[command(after_long_help = manual::EXPORT)]
    Export(Export),
    /// Remove services, connections, programs and the module from the kernel
    ///
    /// Removes the virtual services of IPVS, ends their connections, and removes
    /// the programs, the maps and the module. A service that a rule covers stays,
    /// as a native one. Timeouts, sysctls and sync daemons stay too.
    #[command(after_long_help = manual::DOWN)]
    Down(Down),
    /// Print the man page, or write one page per command into a folder
    ///
    /// The page of the file, ipvs-bpf.toml(5), is not included.
    #[command(after_long_help = manual::MAN)]
    Man(Man),
    /// Print completions for a shell
    ///
    /// Completes commands, options and files, and what the kernel has at present:
    /// services, servers and network namespaces. For these the shell runs
    /// `ipvs-bpf`, which offers none to a user who may not read them.
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
    #[command(flatten)]
    pub kept: Kept,
}

/// The differences from the file that stay.
#[derive(Args, Debug)]
pub struct Kept {
    /// Keep the kernel's weights of existing servers
    ///
    /// A server that was drained by hand stays drained. A new server gets the
    /// weight of the file.
    #[arg(long)]
    pub keep_weights: bool,
    /// Remove nothing that the file does not list
    ///
    /// Services, servers, local IPs, interfaces and sync daemons that the file
    /// does not list stay unchanged.
    #[arg(long)]
    pub no_prune: bool,
    /// Change no service or pool that the file does not list
    ///
    /// These may belong to other programs. A listed service or pool still matches the
    /// file: servers and local IPs that the file does not list in it are removed.
    /// Interfaces and the eBPF programs stay.
    #[arg(long, conflicts_with = "no_prune")]
    pub only_listed: bool,
}

impl Kept {
    /// The options as words of a command.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let words = [
            (self.keep_weights, "--keep-weights"),
            (self.no_prune, "--no-prune"),
            (self.only_listed, "--only-listed"),
        ];
        words
            .into_iter()
            .filter_map(|(given, word)| given.then_some(word))
    }
}

#[derive(Args, Debug)]
pub struct Apply {
    #[command(flatten)]
    pub reconcile: Reconcile,
    /// Print the plan and change nothing; exits like `plan`
    #[arg(long)]
    pub dry_run: bool,
    /// Keep running, and apply again whenever the file or the host changes
    ///
    /// The file is read again when it changes and at SIGHUP. Changes of interfaces,
    /// addresses and routes are seen at once; IPVS and the module are compared every
    /// five seconds. Each change is one line on standard output, or with `--json` one
    /// object. A file with mistakes changes nothing: the last valid one stays in force. A
    /// step that fails is tried again, at the latest after a minute. SIGTERM and SIGINT
    /// end it and leave everything unchanged.
    #[arg(long, conflicts_with = "dry_run")]
    pub follow: bool,
}

#[derive(Args, Debug)]
pub struct Plan {
    #[command(flatten)]
    pub reconcile: Reconcile,
}

/// Where a file is written to.
#[derive(Args, Debug)]
pub struct Output {
    /// Write this file instead of standard output, completely or not at all
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    pub force: bool,
}

#[derive(Args, Debug)]
pub struct Save {
    /// Write a table for each service, with all of its settings and servers
    #[arg(long)]
    pub long: bool,
    #[command(flatten)]
    pub output: Output,
}

#[derive(Args, Debug)]
pub struct Import {
    /// Text of ipvsadm or keepalived.conf; `-` is standard input
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
    /// Print the state that is lost as comments: `ipvsadm-restore` accepts them,
    /// `ipvsadm -R` does not
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
