// SPDX-License-Identifier: GPL-2.0-only
//! The things that are measured, one function for each.

use crate::arrival;
use crate::director::{USUAL, lay_out};
use crate::flow::{Direction, Family, Protocol, SHORT_DATA, Segment};
use crate::idle::settle;
use crate::measure::{cost, cost_in_use, frames, interleaved, slab};
use crate::network::Network;
use crate::parts::Findings;
use crate::path::Path;
use crate::report::{Memory, Per, Row, SMALL, Subject};
use crate::way;
use Direction::{Original, Reply};

/// The number of packets of one flow in a round.
const PACKETS: usize = 2_000;
/// The number of flows in the tests with many: flows 1 to 50 000.
const MANY: u32 = 50_000;
/// New sessions or short connections in a round. Their numbers come after these.
const NEW: u32 = 2_000;

/// The least size of the frames that open a connection.
const OPENING: usize = 200;

/// Opens the connections of these flows, so that both directions are known. Returns the
/// memory that each takes.
pub fn open(
    networks: &[&Network],
    subject: &Subject,
    numbers: impl ExactSizeIterator<Item = u32> + Clone,
) -> Vec<Memory> {
    let script: &[_] = match subject.protocol {
        Protocol::Udp => &[(Original, Segment::Data), (Reply, Segment::Data)],
        Protocol::Tcp => &[
            (Original, Segment::Syn),
            (Reply, Segment::SynAck),
            (Original, Segment::Ack),
            (Reply, Segment::Data),
        ],
    };
    // The answer has data, also in IPv6, whose headers are longer than small frames: only
    // then the handshake is over for those who tell the client's address.
    let opening = Subject {
        size: subject.size.max(OPENING),
        ..subject.clone()
    };
    let sessions = numbers.len();
    let mut memory = Vec::new();
    for network in networks
        .iter()
        .filter(|network| network.path.has_sessions())
    {
        // Memory that other paths free in the meantime must not be included. For a single
        // flow, the memory has no meaning.
        if sessions > 1 {
            settle();
        }
        let before = slab();
        for (direction, segment) in script {
            let frames = frames(
                network.path,
                &opening,
                numbers.clone(),
                *direction,
                *segment,
            );
            cost(network, *direction, &frames);
        }
        let now_takes = |in_use: bool| Memory {
            path: network.path,
            family: subject.family,
            sessions: sessions as u32,
            in_use,
            bytes_a_session: slab().saturating_sub(before) / sessions as u64,
        };
        // The array of sessions has grown: the old one is about to be freed.
        if sessions > 1 {
            settle();
        }
        memory.push(now_takes(false));
        // A flowtable has its entries since the answers.
        if network.path.has_leases() {
            for direction in [Original, Reply, Original, Reply] {
                let frames = frames(
                    network.path,
                    subject,
                    numbers.clone(),
                    direction,
                    Segment::Data,
                );
                cost(network, direction, &frames);
            }
            memory.push(now_takes(true));
        }
    }
    memory
}

/// These frames in turn, as many as are measured for one path.
pub fn repeated(frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let count = PACKETS.max(frames.len());
    frames.into_iter().cycle().take(count).collect()
}

/// One flow whose connection is open. Measured for each packet.
pub fn one_flow(networks: &[&Network], family: Family, protocol: Protocol) -> Vec<Row> {
    let subject = Subject::of(Per::Packet, family, protocol);
    open(networks, &subject, 0..1);
    for network in networks {
        if network.path != Path::Drop {
            arrival::check(network, &subject);
            way::check(network, &subject);
        }
    }
    let mut rows = Vec::new();
    let mut measure = |verified| {
        for direction in [Original, Reply] {
            for size in [SMALL, 1_400] {
                let subject = Subject {
                    direction,
                    size,
                    verified,
                    ..subject.clone()
                };
                rows.extend(interleaved(networks, &subject, |network, _| {
                    let frames = frames(network.path, &subject, 0..1, direction, Segment::Data);
                    cost_in_use(network, direction, &repeated(frames))
                }));
            }
        }
    };
    Network::with_verified_checksums(networks, || measure(true));
    measure(false);
    rows
}

/// Many flows in turn, whose connections are open. Measured for each packet. This uses its own
/// networks: where sessions have ended, their table can have an array that is large already.
pub fn many_flows(networks: &[&Network], family: Family) -> Findings {
    let fresh: Vec<Network> = networks
        .iter()
        .map(|network| lay_out(network.path, USUAL))
        .collect();
    let networks: &[&Network] = &fresh.iter().collect::<Vec<_>>();
    let subject = Subject {
        flows: MANY,
        ..Subject::of(Per::Packet, family, Protocol::Udp)
    };
    let memory = open(networks, &subject, 1..MANY + 1);
    let mut rows = Vec::new();
    for direction in [Original, Reply] {
        let subject = Subject {
            direction,
            ..subject.clone()
        };
        rows.extend(interleaved(networks, &subject, |network, _| {
            let frames = frames(
                network.path,
                &subject,
                1..MANY + 1,
                direction,
                Segment::Data,
            );
            cost_in_use(network, direction, &frames)
        }));
    }
    networks.iter().for_each(|network| network.check());
    Findings { rows, memory }
}

/// The flows of a round, which have not been used before.
fn fresh(round: u32) -> std::ops::Range<u32> {
    let first = MANY + 1 + round * NEW;
    first..first + NEW
}

/// The sessions that a director has before new ones are measured: the tables of ours, and of
/// IPVS since Linux 7, do not grow while these are made. Masquerading has no ports for them.
const GROWN: std::ops::Range<u32> = MANY + 20 * NEW..MANY + 20 * NEW + 12_500;

/// The first packet of a flow: the director makes a connection.
pub fn new_sessions(networks: &[&Network], family: Family) -> Vec<Row> {
    let subject = Subject {
        flows: NEW,
        ..Subject::of(Per::Session, family, Protocol::Udp)
    };
    let grows = |path: Path| path == Path::Ipvs || path.is_ours();
    for network in networks.iter().filter(|network| grows(network.path)) {
        let frames = frames(network.path, &subject, GROWN, Original, Segment::Data);
        cost(network, Original, &frames);
    }
    interleaved(networks, &subject, |network, round| {
        let frames = frames(
            network.path,
            &subject,
            fresh(round),
            Original,
            Segment::Data,
        );
        cost(network, Original, &frames)
    })
}

/// A whole TCP connection from SYN to the last ACK, with a hundred bytes in each
/// direction. Measured for each connection, both directions together.
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
        let mut slices = Vec::new();
        for (direction, segment) in script {
            let frames = frames(network.path, &subject, fresh(round), direction, segment);
            let costs = cost(network, direction, &frames);
            slices.resize(costs.len(), 0.0);
            let sums = slices.iter_mut().zip(costs);
            sums.for_each(|(sum, cost)| *sum += cost);
        }
        slices
    })
}

/// A packet that the director forwards and that does not belong to its services: the
/// client and the server talk directly.
pub fn others(networks: &[&Network], family: Family) -> Vec<Row> {
    /// The number of a flow that the director has not seen.
    const NUMBER: u32 = MANY + 10 * NEW;
    let forwards = |path: Path| matches!(path, Path::Route | Path::Ipvs) || path.is_ours();
    let subject = Subject::of(Per::OthersPacket, family, Protocol::Udp);
    let mut measured = Vec::new();
    for network in networks {
        if forwards(network.path) {
            arrival::check_as(network, Path::Route, &subject, NUMBER);
        }
        if forwards(network.path) || network.path == Path::Drop {
            measured.push(*network);
        }
    }
    let mut rows = Vec::new();
    for direction in [Original, Reply] {
        let subject = Subject {
            direction,
            ..subject.clone()
        };
        let flow = subject.flow(NUMBER);
        let frame = flow.frame(Path::Route, direction, Segment::Data, subject.size);
        let frames = repeated(vec![frame]);
        rows.extend(interleaved(&measured, &subject, |network, _| {
            cost(network, direction, &frames)
        }));
    }
    rows
}
