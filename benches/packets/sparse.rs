// SPDX-License-Identifier: GPL-2.0-only
//! What it costs to keep flows that have a packet a second each way. Everything that
//! the kernel executes counts, whether for a packet or beside: timers, workers that
//! renew, fold or look for what has expired.
//!
//! The only processor never idles (`idle.rs`), and the clock counts all instructions, so
//! those that are not of waiting are what the kernel and the generator took.

use crate::director::{USUAL, set_up};
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
/// Conntrack looks through its whole table in about that time.
const SECONDS: u64 = 60;
/// Before it is measured: every flow has what it gets by being used.
const BEFORE: u64 = 3;
/// Of packets, a second.
const BATCHES: u64 = 100;

/// Per packet, both directions alike. On networks of its own, so that no other part's
/// flows are kept beside.
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
        let network = Network::lay_out(path, |director| set_up(director, path, USUAL));
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

/// The flows of a network, and a frame of each, each way.
struct Flows<'a> {
    network: &'a Network,
    originals: Vec<Vec<u8>>,
    replies: Vec<Vec<u8>>,
    random: u64,
}

impl<'a> Flows<'a> {
    fn of(network: &'a Network, subject: &Subject) -> Self {
        let [originals, replies] = [Original, Reply]
            .map(|direction| frames(network, subject, 0..FLOWS, direction, Segment::Data));
        Flows {
            network,
            originals,
            replies,
            random: 1,
        }
    }

    /// A question and an answer of each flow, once in each of so many seconds: at
    /// another moment of each, the same for every path. The instructions that this
    /// took, which are not those of waiting.
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

    /// Both directions in the same order.
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
