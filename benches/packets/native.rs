// SPDX-License-Identifier: GPL-2.0-only
//! Real time for each packet on this host, without IPVS and the module. It compares the
//! programs' fast path with destination NAT and masquerade by conntrack. All paths are
//! measured in turn, for many rounds. The result is the ratio within a round, and its
//! spread.

use std::collections::BTreeMap;
use std::fs;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use serde::Serialize;

use crate::arrival;
use crate::director::{FullNat, USUAL, lay_out};
use crate::flow::{Direction, FAMILIES, Family, Protocol, Segment};
use crate::measure::{cost, frames, median};
use crate::namespace::Namespace;
use crate::network::Network;
use crate::nft;
use crate::path::Path;
use crate::report::{Per, Subject, release};
use crate::subjects::repeated;
use Direction::{Original, Reply};

/// The amount of measuring.
pub struct Extent {
    rounds: usize,
    /// Flows, used in turn.
    flows: [u32; 2],
}

pub const WHOLE: Extent = Extent {
    rounds: 40,
    flows: [1, 10_000],
};
/// A small extent for a test, whose figures have no meaning.
pub const SMOKE: Extent = Extent {
    rounds: 2,
    flows: [1, 10],
};

#[derive(Serialize)]
pub struct Report {
    pub kernel: String,
    pub processor: String,
    pub rounds: usize,
    pub rows: Vec<Row>,
}

/// One path over all rounds.
#[derive(Serialize)]
pub struct Row {
    pub path: Path,
    pub family: Family,
    pub protocol: Protocol,
    pub direction: Direction,
    pub flows: u32,
    /// The time of a packet without the generator's share.
    pub nanoseconds: Spread,
    /// The ratio to `nft_masquerade`, round by round.
    pub ratio: Spread,
}

#[derive(Clone, Copy, Serialize)]
pub struct Spread {
    pub lower_quartile: f64,
    pub median: f64,
    pub upper_quartile: f64,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        // More digits would be noise.
        let at = |quarter: usize| (values[(values.len() - 1) * quarter / 4] * 1e3).round() / 1e3;
        Spread {
            lower_quartile: at(1),
            median: at(2),
            upper_quartile: at(3),
        }
    }
}

/// Returns the report, or what is missing on this host.
pub fn measure(extent: &Extent) -> Result<Report, String> {
    can_compare()?;
    stay_on_one_cpu()?;
    let [_, most] = extent.flows;
    let networks = Path::NATIVE.map(|path| {
        let full_nat = FullNat {
            max_sessions: most,
            ..USUAL
        };
        lay_out(path, full_nat)
    });
    let mut rows = Vec::new();
    for family in FAMILIES {
        for flows in extent.flows {
            eprintln!("{}, flows: {flows}", family.name());
            let subject = Subject {
                flows,
                ..Subject::of(Per::Packet, family, Protocol::Udp)
            };
            open(&networks, &subject);
            for direction in [Original, Reply] {
                let subject = Subject {
                    direction,
                    ..subject.clone()
                };
                rows.extend(interleaved(&networks, &subject, extent.rounds));
            }
        }
    }
    networks.iter().for_each(|network| network.check());
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Ok(Report {
        kernel: release(),
        processor: processor.map_or(String::new(), |(_, name)| name.trim().to_owned()),
        rounds: extent.rounds,
        rows,
    })
}

/// Makes conntrack know both directions of each flow, and checks the frames that arrive.
fn open(networks: &[Network], subject: &Subject) {
    for network in networks.iter().filter(|network| network.path != Path::Drop) {
        for direction in [Original, Reply] {
            let all = 0..subject.flows;
            let frames = frames(network.path, subject, all, direction, Segment::Data);
            cost(network, direction, &frames);
        }
        arrival::check(network, subject);
        if network.path == Path::NftMasquerade {
            let file = "/proc/sys/net/netfilter/nf_conntrack_count";
            let known = network.director.run("cat", &[file]);
            let known: u32 = known.trim().parse().expect("a number");
            assert!(known >= subject.flows, "conntrack knows {known} flows");
        }
    }
}

fn interleaved(networks: &[Network], subject: &Subject, rounds: usize) -> Vec<Row> {
    let direction = subject.direction;
    let all: Vec<(&Network, Vec<Vec<u8>>)> = networks
        .iter()
        .map(|network| {
            let flows = 0..subject.flows;
            let frames = frames(network.path, subject, flows, direction, Segment::Data);
            (network, repeated(frames))
        })
        .collect();
    let mut nanoseconds: BTreeMap<Path, Vec<f64>> = BTreeMap::new();
    let mut ratios: BTreeMap<Path, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let mut costs = BTreeMap::new();
        // Each round begins with another path.
        let (late, early) = all.split_at(round % all.len());
        for (network, frames) in early.iter().chain(late) {
            costs.insert(network.path, median(cost(network, direction, frames)));
        }
        let generator = costs.remove(&Path::Drop).expect("it is always measured");
        let whole = costs[&Path::NftMasquerade] - generator;
        for (path, cost) in costs {
            let cost = cost - generator;
            nanoseconds.entry(path).or_default().push(cost);
            ratios.entry(path).or_default().push(cost / whole);
        }
    }
    let rows = nanoseconds.into_iter().zip(ratios.into_values());
    rows.map(|((path, nanoseconds), ratios)| Row {
        path,
        family: subject.family,
        protocol: subject.protocol,
        direction,
        flows: subject.flows,
        nanoseconds: Spread::of(nanoseconds),
        ratio: Spread::of(ratios),
    })
    .collect()
}

/// Fails if this host does not have what the fast path is compared with.
fn can_compare() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err(
            "bench-native makes network namespaces and loads eBPF programs: run it as root"
                .to_owned(),
        );
    }
    let there = Namespace::new();
    let missing = there.within(|| {
        nft::set_up(&there)?;
        fs::metadata("/proc/sys/net/netfilter/nf_conntrack_count")
            .map(|_| ())
            .map_err(|error| error.to_string())
    });
    missing.map_err(|error| {
        format!(
            "this host has no NAT by conntrack to compare with (Linux with \
             CONFIG_NF_CONNTRACK, CONFIG_NFT_MASQ and CONFIG_NFT_NUMGEN, and nft): {error}"
        )
    })
}

/// Otherwise the scheduler chooses where packets are received, which costs time.
fn stay_on_one_cpu() -> Result<(), String> {
    let this = Pid::from_raw(0);
    let fail = |errno: nix::Error| format!("processor affinity: {errno}");
    let allowed = sched_getaffinity(this).map_err(fail)?;
    let mut one = CpuSet::new();
    // The first CPU gets most of the interrupts.
    let last = (0..CpuSet::count()).rfind(|cpu| allowed.is_set(*cpu) == Ok(true));
    one.set(last.unwrap_or(0)).map_err(fail)?;
    sched_setaffinity(this, &one).map_err(fail)
}
