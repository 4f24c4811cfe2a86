// SPDX-License-Identifier: GPL-2.0-only
//! What is measured, one function each.

use std::fs;

use crate::flow::{Direction, Family, LOCAL_IPS, Protocol, SHORT_DATA, Segment};
use crate::measure::{cost, cost_in_use, frames, interleaved};
use crate::network::Network;
use crate::path::Path;
use crate::report::{Memory, Per, Row, Subject};
use Direction::{Original, Reply};

/// Packets of one flow, a round.
const PACKETS: usize = 2_000;
/// Flows of the many: these are numbers 1 to 50 000.
const MANY: u32 = 50_000;
/// New sessions or short connections, a round: numbers above.
const NEW: u32 = 1_000;
/// The first flow that no other measurement uses, and that no server answers.
const GROWTH: u32 = 60_000;
/// Flows that a growing director is measured with, spread over all it has.
const SAMPLE: u32 = 1_000;

/// Opens the connections of these flows, so that both directions are known.
fn open(networks: &[&Network], subject: &Subject, numbers: impl Iterator<Item = u32> + Clone) {
    let script: &[_] = match subject.protocol {
        Protocol::Udp => &[(Original, Segment::Data), (Reply, Segment::Data)],
        Protocol::Tcp => &[
            (Original, Segment::Syn),
            (Reply, Segment::SynAck),
            (Original, Segment::Ack),
        ],
    };
    for network in networks
        .iter()
        .filter(|network| network.path.has_sessions())
    {
        for (direction, segment) in script {
            let frames = frames(network, subject, numbers.clone(), *direction, *segment);
            cost(network, *direction, &frames, 1);
        }
    }
}

/// One flow, whose connection is open: per packet.
pub fn one_flow(networks: &[&Network], family: Family, protocol: Protocol) -> Vec<Row> {
    let subject = Subject::of(Per::Packet, family, protocol);
    open(networks, &subject, 0..1);
    let mut rows = Vec::new();
    for verified in [true, false] {
        if verified {
            networks
                .iter()
                .for_each(|network| network.verify_checksums(true));
        }
        for direction in [Original, Reply] {
            for size in [64, 1_400] {
                let subject = Subject {
                    direction,
                    size,
                    verified,
                    ..subject.clone()
                };
                rows.extend(interleaved(networks, &subject, |network, _| {
                    let frames = frames(network, &subject, 0..1, direction, Segment::Data);
                    cost_in_use(network, direction, &frames, PACKETS)
                }));
            }
        }
        if verified {
            networks
                .iter()
                .for_each(|network| network.verify_checksums(false));
        }
    }
    rows
}

/// Many flows in turn, whose connections are open: per packet.
pub fn many_flows(networks: &[&Network], family: Family) -> Vec<Row> {
    let subject = Subject {
        flows: MANY,
        ..Subject::of(Per::Packet, family, Protocol::Udp)
    };
    open(networks, &subject, 1..=MANY);
    let mut rows = Vec::new();
    for direction in [Original, Reply] {
        let subject = Subject {
            direction,
            ..subject.clone()
        };
        rows.extend(interleaved(networks, &subject, |network, _| {
            let frames = frames(network, &subject, 1..=MANY, direction, Segment::Data);
            cost_in_use(network, direction, &frames, 1)
        }));
    }
    rows
}

/// The flows of a round that nobody has used before.
fn fresh(round: u32) -> std::ops::Range<u32> {
    let first = MANY + 1 + round * NEW;
    first..first + NEW
}

/// The first packet of a flow: the director makes a connection.
pub fn new_sessions(networks: &[&Network], family: Family) -> Vec<Row> {
    let subject = Subject {
        flows: NEW,
        ..Subject::of(Per::Session, family, Protocol::Udp)
    };
    interleaved(networks, &subject, |network, round| {
        let frames = frames(network, &subject, fresh(round), Original, Segment::Data);
        cost(network, Original, &frames, 1) / f64::from(NEW)
    })
}

/// A whole TCP connection from SYN to the last ACK, a hundred bytes each way:
/// per connection, both directions together.
pub fn short_connections(networks: &[&Network], family: Family) -> Vec<Row> {
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
    let mut subject = Subject {
        flows: NEW,
        ..Subject::of(Per::Connection, family, Protocol::Tcp)
    };
    let headers = subject
        .flow(0)
        .frame(Path::Route, Original, Segment::Ack, 0);
    subject.size = headers.len() + SHORT_DATA as usize;
    interleaved(networks, &subject, |network, round| {
        let step = |(direction, segment)| {
            let frames = frames(network, &subject, fresh(round), direction, segment);
            cost(network, direction, &frames, 1)
        };
        script.into_iter().map(step).sum::<f64>() / f64::from(NEW)
    })
}

/// How the cost of a packet grows with the sessions and services that full NAT
/// has, and what memory a session takes.
pub fn growth(networks: &[&Network], family: Family) -> (Vec<Row>, Memory) {
    let networks: Vec<_> = networks
        .iter()
        .copied()
        .filter(|network| network.path.is_ours() || network.path == Path::Drop)
        .collect();
    let base = Subject::of(Per::Packet, family, Protocol::Udp);
    let mut rows = Vec::new();
    let mut known = GROWTH;
    let mut measure = |sessions: u32, services: u32| {
        let flows = sessions.min(SAMPLE);
        let subject = Subject {
            flows,
            sessions,
            services,
            ..base.clone()
        };
        let step = sessions / flows;
        let sample = move || (0..flows).map(move |number| GROWTH + number * step);
        rows.extend(interleaved(&networks, &subject, |network, _| {
            let frames = frames(network, &subject, sample(), Original, Segment::Data);
            let times = PACKETS.div_ceil(frames.len());
            cost_in_use(network, Original, &frames, times)
        }));
    };
    let mut memory = Memory::default();
    let mut open_until = |sessions: u32| {
        let numbers = known..GROWTH + sessions;
        if numbers.is_empty() {
            return;
        }
        for network in networks.iter().filter(|network| network.path.is_ours()) {
            let before = slab();
            for first in numbers.clone().step_by(MANY as usize) {
                let some = first..(first + MANY).min(numbers.end);
                let frames = frames(network, &base, some, Original, Segment::Data);
                cost(network, Original, &frames, 1);
            }
            memory = Memory {
                sessions: numbers.len() as u32,
                bytes_a_session: slab().saturating_sub(before) / numbers.len() as u64,
            };
        }
        known = numbers.end;
    };
    for services in [1, 100, 10_000] {
        for network in networks.iter().filter(|network| network.path.is_ours()) {
            network.grow(LOCAL_IPS, services);
        }
        open_until(1_000);
        measure(1_000, services);
    }
    for sessions in [10, 1_000, 100_000, 1_000_000] {
        open_until(sessions);
        measure(sessions, 10_000);
    }
    (rows, memory)
}

/// Kernel memory in use for objects: bytes.
fn slab() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").expect("procfs");
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:"));
    let words = line.expect("Slab").split_whitespace().next();
    words
        .and_then(|number| number.parse::<u64>().ok())
        .expect("kB")
        * 1024
}
