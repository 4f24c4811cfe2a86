// SPDX-License-Identifier: GPL-2.0-only
//! Counts instructions. Under `-icount shift=0` each takes one nanosecond of the guest's
//! clock, so the clock shows how many the machine has executed.

use std::collections::BTreeMap;
use std::fs;

use nix::time::{ClockId, clock_gettime};

use crate::flow::{Direction, Segment};
use crate::network::Network;
use crate::path::Path;
use crate::report::{Row, Subject};

/// The number of times that each path is measured. The paths alternate.
const ROUNDS: u32 = 4;
/// The number of packets that are measured at once. The median of all these slices
/// counts. This excludes work that the kernel does now and then (conntrack scans its
/// whole table for expired entries).
const SLICE: usize = 500;

/// Long soft interrupts are left to a kernel thread.
const YIELDS: usize = 10_000;

/// Instructions, or nanoseconds.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// The instructions for a frame when these frames are sent, slice by slice.
pub fn cost(network: &Network, direction: Direction, frames: &[Vec<u8>]) -> Vec<f64> {
    frames
        .chunks(SLICE)
        .map(|slice| cost_of_slice(network, direction, slice) / slice.len() as f64)
        .collect()
}

/// Every frame must arrive.
fn cost_of_slice(network: &Network, direction: Direction, frames: &[Vec<u8>]) -> f64 {
    let count = frames.len() as u64;
    let before = network.arrived(direction);
    let begin = now();
    network.send(direction, frames);
    let mut end = now();
    let mut arrived = network.arrived(direction) - before;
    // The kernel thread does its remaining work when this process yields.
    for _ in 0..YIELDS {
        if arrived == count {
            break;
        }
        std::thread::yield_now();
        end = now();
        arrived = network.arrived(direction) - before;
    }
    assert_eq!(
        arrived,
        count,
        "{}, {direction:?}: frames that arrived of {count}{}",
        network.path.name(),
        network.counters()
    );
    (end - begin) as f64
}

/// The same for flows that are in use. On a fast path, each flow has just got its lease
/// or its entry in the flowtable. The packet that gets it is not measured.
pub fn cost_in_use(network: &Network, direction: Direction, frames: &[Vec<u8>]) -> Vec<f64> {
    if network.path.is_fast() {
        cost(network, direction, frames);
    }
    cost(network, direction, frames)
}

/// Measures every path in turn, several times. `round` gets the number of the round and
/// returns the instructions for one of the things that are counted, slice by slice.
pub fn interleaved(
    networks: &[&Network],
    subject: &Subject,
    round: impl Fn(&Network, u32) -> Vec<f64>,
) -> Vec<Row> {
    let mut slices: BTreeMap<Path, Vec<f64>> = BTreeMap::new();
    for number in 0..ROUNDS {
        for network in networks {
            let costs = round(network, number);
            slices.entry(network.path).or_default().extend(costs);
        }
    }
    let mut costs: BTreeMap<Path, f64> = slices
        .into_iter()
        .map(|(path, costs)| (path, median(costs)))
        .collect();
    let generator = costs.remove(&Path::Drop).expect("it is always measured");
    let whole = costs
        .get(&Path::IpvsMasquerade)
        .map(|cost| cost - generator);
    costs
        .into_iter()
        .map(|(path, cost)| Row {
            path,
            subject: subject.clone(),
            instructions: (cost - generator).round() as i64,
            ratio: whole.map(|whole| (cost - generator) / whole),
        })
        .collect()
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The kernel memory in use for objects, in bytes. The caches give back their empty slabs
/// first.
pub fn slab() -> u64 {
    for cache in fs::read_dir("/sys/kernel/slab").expect("SLUB").flatten() {
        // An alias of another cache, or one that is going, needs none.
        let _ = fs::write(cache.path().join("shrink"), "1");
    }
    let text = fs::read_to_string("/proc/meminfo").expect("procfs");
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:"));
    let words = line.expect("Slab").split_whitespace().next();
    words
        .and_then(|number| number.parse::<u64>().ok())
        .expect("kB")
        * 1024
}

/// The frames of one kind that these flows send on a path.
pub fn frames(
    path: Path,
    subject: &Subject,
    numbers: impl Iterator<Item = u32>,
    direction: Direction,
    segment: Segment,
) -> Vec<Vec<u8>> {
    numbers
        .map(|number| {
            subject
                .flow(number)
                .frame(path, direction, segment, subject.size)
        })
        .collect()
}
