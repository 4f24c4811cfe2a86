// SPDX-License-Identifier: GPL-2.0-only
//! Counting instructions: under `-icount shift=0` each takes one nanosecond of
//! the guest's clock, so what passes on the clock is what the machine executed.

use std::collections::BTreeMap;

use nix::time::{ClockId, clock_gettime};

use crate::flow::{Direction, Family, Flow, Protocol, SHORT_DATA, Segment};
use crate::network::Network;
use crate::path::Path;
use crate::report::Row;

/// Of each measurement; the median counts.
pub const ROUNDS: usize = 3;
/// Packets of one flow, a round.
const PACKETS: usize = 2_000;
/// Flows of the many.
const MANY: u32 = 50_000;
/// New sessions or short connections, a round.
const NEW: u32 = 1_000;

fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// Instructions a frame. Every frame must arrive, or none where the path drops.
fn cost(network: &Network, direction: Direction, frames: &[Vec<u8>], count: usize) -> f64 {
    let before = network.arrived(direction);
    let begin = now();
    network.send(direction, frames, count);
    let end = now();
    let arrived = network.arrived(direction) - before;
    let expected = if network.path == Path::Drop { 0 } else { count };
    assert_eq!(
        arrived,
        expected as u64,
        "{}, {direction:?}: frames that arrived of {count}",
        network.path.name()
    );
    (end - begin) as f64 / count as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What is measured of every path in turn.
struct Subject<'a> {
    what: &'static str,
    flow: Flow,
    direction: Direction,
    size: usize,
    flows: u32,
    /// Instructions of one round.
    round: &'a dyn Fn(&Network, usize) -> f64,
}

fn interleaved(networks: &[Network], subject: &Subject) -> Vec<Row> {
    let mut costs: BTreeMap<Path, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        for network in networks {
            let cost = (subject.round)(network, round);
            costs.entry(network.path).or_default().push(cost);
        }
    }
    let mut costs: BTreeMap<Path, f64> = costs
        .into_iter()
        .map(|(path, costs)| (path, median(costs)))
        .collect();
    let generator = costs.remove(&Path::Drop).expect("it is always measured");
    let of = |path| costs.get(&path).map(|cost| cost - generator);
    let whole = of(Path::IpvsMasquerade);
    costs
        .iter()
        .map(|(path, cost)| Row {
            what: subject.what,
            path: *path,
            family: subject.flow.family,
            protocol: subject.flow.protocol,
            direction: subject.direction,
            size: subject.size,
            flows: subject.flows,
            instructions: (cost - generator).round(),
            ratio: whole.map(|whole| (cost - generator) / whole),
        })
        .collect()
}

/// Opens the connections of these flows, so that both directions are known.
fn open(networks: &[Network], flows: &[Flow]) {
    for network in networks
        .iter()
        .filter(|network| network.path.has_sessions())
    {
        for (direction, segment) in opening(flows[0].protocol) {
            let frames: Vec<_> = flows
                .iter()
                .map(|flow| flow.frame(network.path, *direction, *segment, 64))
                .collect();
            cost(network, *direction, &frames, frames.len());
        }
    }
}

fn opening(protocol: Protocol) -> &'static [(Direction, Segment)] {
    use Direction::{Original, Reply};
    match protocol {
        Protocol::Udp => &[(Original, Segment::Data), (Reply, Segment::Data)],
        Protocol::Tcp => &[
            (Original, Segment::Syn),
            (Reply, Segment::SynAck),
            (Original, Segment::Ack),
        ],
    }
}

/// One flow, whose connection is open: per packet.
pub fn one_flow(networks: &[Network], family: Family, protocol: Protocol) -> Vec<Row> {
    let flow = Flow {
        family,
        protocol,
        number: 0,
    };
    open(networks, &[flow]);
    let mut rows = Vec::new();
    for direction in [Direction::Original, Direction::Reply] {
        for size in [64, 1_400] {
            rows.extend(interleaved(
                networks,
                &Subject {
                    what: "packet",
                    flow,
                    direction,
                    size,
                    flows: 1,
                    round: &|network, _| {
                        let frame = flow.frame(network.path, direction, Segment::Data, size);
                        cost(network, direction, &[frame], PACKETS)
                    },
                },
            ));
        }
    }
    rows
}

/// Many flows in turn, whose connections are open: per packet.
pub fn many_flows(networks: &[Network], family: Family) -> Vec<Row> {
    let protocol = Protocol::Udp;
    let flows: Vec<_> = (1..=MANY)
        .map(|number| Flow {
            family,
            protocol,
            number,
        })
        .collect();
    open(networks, &flows);
    let mut rows = Vec::new();
    for direction in [Direction::Original, Direction::Reply] {
        rows.extend(interleaved(
            networks,
            &Subject {
                what: "packet",
                flow: flows[0],
                direction,
                size: 64,
                flows: MANY,
                round: &|network, _| {
                    let frames: Vec<_> = flows
                        .iter()
                        .map(|flow| flow.frame(network.path, direction, Segment::Data, 64))
                        .collect();
                    cost(network, direction, &frames, frames.len())
                },
            },
        ));
    }
    rows
}

/// The first packet of a flow: the director makes a connection.
pub fn new_sessions(networks: &[Network], family: Family) -> Vec<Row> {
    let flow = |number| Flow {
        family,
        protocol: Protocol::Udp,
        number,
    };
    interleaved(
        networks,
        &Subject {
            what: "new session",
            flow: flow(0),
            direction: Direction::Original,
            size: 64,
            flows: NEW,
            round: &|network, round| {
                let first = MANY + 1 + round as u32 * NEW;
                let frames: Vec<_> = (first..first + NEW)
                    .map(|number| {
                        flow(number).frame(network.path, Direction::Original, Segment::Data, 64)
                    })
                    .collect();
                cost(network, Direction::Original, &frames, frames.len())
            },
        },
    )
}

/// A whole TCP connection from SYN to the last ACK, a hundred bytes each way:
/// per connection, both directions together.
pub fn short_connections(networks: &[Network], family: Family) -> Vec<Row> {
    use Direction::{Original, Reply};
    let script = [
        (Original, Segment::Syn),
        (Reply, Segment::SynAck),
        (Original, Segment::Ack),
        (Original, Segment::Data),
        (Reply, Segment::Data),
        (Original, Segment::FinAck),
        (Reply, Segment::FinAck),
        (Original, Segment::LastAck),
    ];
    let flow = |number| Flow {
        family,
        protocol: Protocol::Tcp,
        number,
    };
    let headers = flow(0).frame(Path::Route, Original, Segment::Ack, 0).len();
    interleaved(
        networks,
        &Subject {
            what: "short connection",
            flow: flow(0),
            direction: Original,
            size: headers + SHORT_DATA as usize,
            flows: NEW,
            round: &|network, round| {
                let first = MANY + 1 + round as u32 * NEW;
                let mut sum = 0.0;
                for (direction, segment) in script {
                    let frames: Vec<_> = (first..first + NEW)
                        .map(|number| {
                            let size = headers + SHORT_DATA as usize;
                            flow(number).frame(network.path, direction, segment, size)
                        })
                        .collect();
                    sum += cost(network, direction, &frames, frames.len());
                }
                sum
            },
        },
    )
}
