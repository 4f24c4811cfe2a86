// SPDX-License-Identifier: GPL-2.0-only
//! Counting instructions: under `-icount shift=0` each takes one nanosecond of
//! the guest's clock, so what passes on the clock is what the machine executed.

use std::collections::BTreeMap;

use nix::time::{ClockId, clock_gettime};

use crate::flow::{Direction, Segment};
use crate::network::Network;
use crate::path::Path;
use crate::report::{Row, Subject};

/// Of each measurement; the median counts.
const ROUNDS: u32 = 3;

/// Soft interrupts that take long are left to a thread of the kernel.
const YIELDS: usize = 1_000;

fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// Instructions that these frames cost in all, each sent `times` times. Every
/// frame must arrive, or none where the path drops.
pub fn cost(network: &Network, direction: Direction, frames: &[Vec<u8>], times: usize) -> f64 {
    let count = frames.len() * times;
    let before = network.arrived(direction);
    let begin = now();
    network.send(direction, frames, count);
    let mut end = now();
    let mut arrived = network.arrived(direction) - before;
    let expected = if network.path == Path::Drop { 0 } else { count };
    // What the kernel's thread has still to do, it does when we yield.
    for _ in 0..YIELDS {
        if arrived == expected as u64 {
            break;
        }
        std::thread::yield_now();
        end = now();
        arrived = network.arrived(direction) - before;
    }
    assert_eq!(
        arrived,
        expected as u64,
        "{}, {direction:?}: frames that arrived of {count}{}",
        network.path.name(),
        network.counters()
    );
    (end - begin) as f64
}

/// The same per packet of flows that are in use. Where packets take the fast
/// path, each flow has got its lease just now: a packet a second is not what is
/// measured.
pub fn cost_in_use(
    network: &Network,
    direction: Direction,
    frames: &[Vec<u8>],
    times: usize,
) -> f64 {
    if network.path == Path::IpvsBpfFast {
        cost(network, direction, frames, 1);
    }
    cost(network, direction, frames, times) / (frames.len() * times) as f64
}

/// Measures every path in turn, three times. `round` is told the number of the
/// round, and gives the instructions of one of what is counted.
pub fn interleaved(
    networks: &[&Network],
    subject: &Subject,
    round: impl Fn(&Network, u32) -> f64,
) -> Vec<Row> {
    let mut rounds: BTreeMap<Path, Vec<f64>> = BTreeMap::new();
    for number in 0..ROUNDS {
        for network in networks {
            let cost = round(network, number);
            rounds.entry(network.path).or_default().push(cost);
        }
    }
    let mut costs: BTreeMap<Path, f64> = rounds
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

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The frames of one kind that these flows send on a path.
pub fn frames(
    network: &Network,
    subject: &Subject,
    numbers: impl Iterator<Item = u32>,
    direction: Direction,
    segment: Segment,
) -> Vec<Vec<u8>> {
    numbers
        .map(|number| {
            subject
                .flow(number)
                .frame(network.path, direction, segment, subject.size)
        })
        .collect()
}
