// SPDX-License-Identifier: GPL-2.0-only
//! The cost of flows with one packet each second in each direction. This counts
//! everything that the kernel executes, for packets or otherwise: timers, and workers
//! that renew, fold or search for expired entries.
//!
//! The only processor never idles (`idle.rs`), and the clock counts all instructions. So
//! all instructions except those of waiting belong to the kernel and the generator.

use crate::director::{USUAL, lay_out};
use crate::flow::{Direction, Family, Protocol, Segment};
use crate::idle::{Round, SECOND, settle, wait_until};
use crate::measure::{frames, now};
use crate::network::Network;
use crate::parts::Findings;
use crate::path::Path;
use crate::report::{Per, Row, Subject};
use crate::subjects::open;
use Direction::{Original, Reply};

const FLOWS: u32 = 2_000;
/// Conntrack scans its whole table in about this time.
const SECONDS: u64 = 60;
/// The time before measuring, so that every flow has all that it gets from being used.
const BEFORE: u64 = 3;
/// Batches of packets in each second.
const BATCHES: u64 = 100;

/// The instructions for a packet, in both directions. This uses its own networks, so that
/// flows of other parts are not included.
pub fn sparse(networks: &[&Network], family: Family) -> Findings {
    let subject = Subject {
        flows: FLOWS,
        ..Subject::of(Per::SparsePacket, family, Protocol::Udp)
    };
    let round = Round::measured();
    let mut costs = Vec::new();
    for path in networks.iter().map(|network| network.path) {
        if !(path.has_sessions() || path == Path::Drop) {
            continue;
        }
        eprintln!("  {}", path.name());
        let network = lay_out(path, USUAL);
        open(&[&network], &subject, 0..FLOWS);
        let mut flows = Flows::of(&network, &subject);
        flows.use_for(BEFORE, &round);
        let taken = flows.use_for(SECONDS, &round);
        network.check();
        settle();
        costs.push((
            path,
            taken / (2 * u64::from(FLOWS) * SECONDS) as f64,
            network,
        ));
    }
    let generator = costs.iter().find(|(path, ..)| *path == Path::Drop);
    let generator = generator.expect("it is always measured").1;
    let cost_of = |wanted: Path| {
        let found = costs.iter().find(|(path, ..)| *path == wanted);
        found.map(|(_, cost, _)| cost - generator)
    };
    let whole = cost_of(Path::IpvsMasquerade);
    let measured = costs.iter().filter(|(path, ..)| *path != Path::Drop);
    let rows = measured.map(|(path, cost, _)| Row {
        path: *path,
        subject: subject.clone(),
        instructions: (cost - generator).round() as i64,
        ratio: whole.map(|whole| (cost - generator) / whole),
    });
    rows.collect::<Vec<_>>().into()
}

/// The flows of a network, with one frame of each in each direction.
struct Flows<'a> {
    network: &'a Network,
    originals: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
    random: u64,
}

impl<'a> Flows<'a> {
    fn of(network: &'a Network, subject: &Subject) -> Self {
        let [originals, replies] = [Original, Reply]
            .map(|direction| frames(network.path, subject, 0..FLOWS, direction, Segment::Data));
        Flows {
            network,
            originals,
            replies,
            random: 1,
        }
    }

    /// Sends one question and one answer of each flow in each of `seconds` seconds. A
    /// flow has another moment in each second, the same on every path. Returns the
    /// instructions that this took, without those of waiting.
    fn use_for(&mut self, seconds: u64, round: &Round) -> f64 {
        let arrived = [Original, Reply].map(|direction| self.network.arrived(direction));
        let begin = now();
        let mut waited = 0;
        for second in 0..seconds {
            self.shuffle();
            let at_once = self.originals.len().div_ceil(BATCHES as usize);
            let batches = self.originals.chunks(at_once);
            for (batch, (originals, replies)) in
                (1..).zip(batches.zip(self.replies.chunks(at_once)))
            {
                self.network.send(Original, originals);
                self.network.send(Reply, replies);
                waited += wait_until(begin + second * SECOND + batch * SECOND / BATCHES);
            }
        }
        let taken = (now() - begin) as f64 - waited as f64 * round.instructions;
        for (direction, before) in [Original, Reply].into_iter().zip(arrived) {
            let arrived = self.network.arrived(direction) - before;
            let sent = seconds * u64::from(FLOWS);
            let name = self.network.path.name();
            assert_eq!(arrived, sent, "{name}, {direction:?}: frames that arrived");
        }
        taken
    }

    /// Shuffles both directions into the same order.
    fn shuffle(&mut self) {
        for last in (1..self.originals.len()).rev() {
            // xorshift64
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let other = (self.random % (last as u64 + 1)) as usize;
            self.originals.swap(last, other);
            self.replies.swap(last, other);
        }
    }
}
