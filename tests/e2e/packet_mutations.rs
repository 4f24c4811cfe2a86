// SPDX-License-Identifier: GPL-2.0-only
//! Sends mutations of the packets of `tests/packet-fixtures/` through module and program. None
//! may leave with one address translated and the other not, or vanish without a counter.
//!
//! Counters are read once for a batch. If they do not explain a batch, its packets are sent
//! once more, one by one, and if each of these is explained, together again.

use std::ops::Range;

use packet_fixtures::build::frame;
use packet_fixtures::fixture::{Fixture, Session, Side};
use packet_fixtures::fragment::without_atomic;
use packet_fixtures::judge::{Flows, Verdict, flows, judge};
use packet_fixtures::mutate::{Random, mutate};
use packet_fixtures::read::{SCTP, TCP, UDP, read};
use packet_fixtures::world::{Ports, World};

use crate::lab::{Lab, environment, success};
use crate::packet_fates::{Fates, counted, grown, is_counted};
use crate::packet_fixtures::{Player, SERVICES, all, file, network, on_the_wire, text, trimmed};

const BATCH: u64 = 64;

/// The kernel drops packets of a processor that has 1000 to handle, and another test may send
/// some (net.core.netdev_max_backlog).
const UNSETTLED: u64 = 150;

/// A mutated segment may close the connection of all that follow, so there are new sessions
/// for each of so many batches.
const BATCHES_OF_SESSIONS: u64 = 4;

/// MUTATIONS_VM, SEED and FIRST say how many packets, and which.
#[test]
fn no_mutated_packet_is_translated_by_half_or_vanishes_uncounted() {
    let (seed, times) = (environment("SEED", 1), environment("MUTATIONS_VM", 2000));
    let first = environment("FIRST", 0);
    let fixtures = all();
    let lab = Lab::new();
    let mut wrong = Vec::new();
    for fast_path in [false, true] {
        success(&lab.ipvs_bpf(&["down"]));
        lab.apply(&file(fast_path));
        wrong.extend(on_the_wire(&lab, |player| {
            player.next_port += 20_000 * u16::from(fast_path);
            let mut fuzz = Fuzz {
                player,
                fixtures: &fixtures,
                seed,
                sessions: Vec::new(),
                known: Flows::default(),
                wrong: Vec::new(),
                seen: Seen::default(),
            };
            fuzz.run(first..first + times / 2);
            println!("fast path: {fast_path}: {:?}", fuzz.seen);
            fuzz.wrong
        }));
    }
    assert!(
        wrong.is_empty(),
        "SEED={seed}: {} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// True for what the director says some seconds later, about a neighbour that did not answer.
/// The module translates it if that is about a session.
fn is_late(packet: &[u8]) -> bool {
    let Some(read) = read(packet) else {
        return false;
    };
    let unreachable = match read.family {
        4 => [3, 1],
        _ => [1, 3],
    };
    let world = World::lab(Ports::default());
    let own = ["director", "director2", "vip", "local"];
    let own = own.map(|name| world.octets(name, read.family));
    let link_local = read.source(packet).starts_with(&[0xfe, 0x80]);
    let is_error = packet.get(read.transport..read.transport + 2) == Some(&unreachable);
    let is_own = link_local || own.iter().any(|own| own == read.source(packet));
    read.icmp(packet).is_some() && is_error && is_own
}

/// True if the director's own error about the packet goes to itself, where it may be one
/// about a session (docs/dev/packet-fixtures.md, Decisions).
fn error_goes_to_director(packet: &[u8], world: &World) -> bool {
    let is =
        |address: &[u8], names: &[&str]| names.iter().any(|name| world.octets(name, 6) == address);
    let own = ["vip", "vip2", "local", "director", "director2"];
    read(packet).is_some_and(|read| {
        read.family == 6 && is(read.source(packet), &own) && !is(read.destination(packet), &["vip"])
    })
}

/// See docs/dev/packet-fixtures.md, Decisions.
fn is_as_long_as_its_frame(packet: &[u8]) -> bool {
    packet.len() >= 40 && packet[0] >> 4 == 6 && packet[4..7] == [0, 0, 0]
}

/// The numbers of packets.
#[derive(Debug, Default)]
struct Seen {
    sent: u64,
    translated: u64,
    /// Not translated, but counted.
    others: u64,
    /// By counters; some packets are counted twice.
    counted: i64,
    /// Came out later than expected.
    late: u64,
}

/// The packets of a batch, as they came in.
#[derive(Default)]
struct Batch {
    came: Vec<Vec<u8>>,
    /// Not translated; what each is about, and its bytes.
    others: Vec<(String, Vec<u8>)>,
    /// So many of these were translated after all.
    late: u64,
}

struct Fuzz<'a> {
    player: &'a mut Player,
    fixtures: &'a [Fixture],
    seed: u64,
    sessions: Vec<(Session, World)>,
    known: Flows,
    wrong: Vec<String>,
    seen: Seen,
}

impl Fuzz<'_> {
    fn run(&mut self, all: Range<u64>) {
        for (turn, first) in all.clone().step_by(BATCH as usize).enumerate() {
            if (turn as u64).is_multiple_of(BATCHES_OF_SESSIONS) {
                self.begin();
            }
            let numbers = first..all.end.min(first + BATCH);
            let Err(why) = self.batch(numbers.clone()) else {
                continue;
            };
            self.begin();
            let alone = numbers
                .clone()
                .filter_map(|number| self.batch(number..number + 1).err());
            let alone: Vec<_> = alone.collect();
            // A busy host may lose a packet once.
            let together = alone.is_empty() && self.batch(numbers).is_err();
            self.wrong.extend(together.then_some(why));
            self.wrong.extend(alone);
        }
        // Everything is as before.
        self.begin();
    }

    /// Makes a session of each kind, for the packets that are mutated.
    fn begin(&mut self) {
        self.sessions.clear();
        for protocol in [UDP, TCP, SCTP] {
            for family in [4, 6] {
                let mut world = self.player.world(protocol);
                let session = Session { protocol, family };
                self.player.establish(session, &mut world).unwrap();
                self.known.add(flows(&world, protocol, family));
                self.sessions.push((session, world));
            }
        }
    }

    /// Sends mutations with these numbers, and those that nobody counts last. An error: more
    /// packets vanished than were counted.
    fn batch(&mut self, numbers: Range<u64>) -> Result<(), String> {
        let (before, markers) = (counted(&self.player.wire), self.player.wire.markers());
        let batch = self.send(numbers.clone(), true);
        let markers = self.player.wire.markers() - markers;
        let (sum, fates) = grown(&before, &counted(&self.player.wire), markers);
        let others = (batch.others.len() as u64).saturating_sub(batch.late);
        self.seen.others += others;
        self.seen.counted += sum;
        self.send(numbers.clone(), false);
        match others as i64 > sum {
            true => Err(unexplained(&numbers, &batch.others, &fates)),
            false => Ok(()),
        }
    }

    fn send(&mut self, numbers: Range<u64>, counted: bool) -> Batch {
        let mut batch = Batch::default();
        let mut settled = self.seen.sent;
        for number in numbers {
            self.mutation(number, counted, &mut batch);
            if self.seen.sent - settled > UNSETTLED {
                self.settle(&mut batch);
                settled = self.seen.sent;
            }
        }
        self.settle(&mut batch);
        batch
    }

    /// Waits until everything that was sent is done.
    fn settle(&mut self, batch: &mut Batch) {
        let late = self.player.wire.settle(&[Side::Client, Side::Server]);
        let world = self.sessions[0].1.clone();
        for packet in late.into_iter().flatten().map(without_atomic) {
            self.judge(&packet, &[], batch, &world, "late");
        }
    }

    /// Sends the packets of a mutation that are counted, or those that are not.
    fn mutation(&mut self, number: u64, counted: bool, batch: &mut Batch) {
        let mut random = Random::new(self.seed, number);
        let fixture = &self.fixtures[random.below(self.fixtures.len())];
        let step = &fixture.steps[random.below(fixture.steps.len())];
        let matching: Vec<_> = self
            .sessions
            .iter()
            .filter(|(session, _)| fixture.session.is_none_or(|other| other == *session))
            .collect();
        let world = matching[random.below(matching.len())].1.clone();
        let mut came = Vec::new();
        for sent in &step.sent {
            let macs = self.player.wire.macs(sent.side);
            let whole = frame(&sent.layers, &world, macs).unwrap();
            let mutated = mutate(&mut random, &whole, &world);
            let packet = trimmed(network(&mutated).to_vec());
            if error_goes_to_director(&packet, &world)
                || is_as_long_as_its_frame(&packet)
                || is_counted(&self.player.wire, sent.side, &mutated, &packet, &world) != counted
                || !self.player.wire.send(sent.side, &mutated)
            {
                continue;
            }
            self.seen.sent += 1;
            came.push(without_atomic(packet.clone()));
            came.push(packet.clone());
            let about = format!("number {number}, of {}", fixture.name);
            let mut translated = false;
            for left in self.player.wire.came().into_iter().map(without_atomic) {
                translated |= self.judge(&left, &came, batch, &world, &about);
            }
            self.seen.translated += u64::from(translated);
            if !translated {
                batch.others.push((about, packet));
            }
        }
        batch.came.extend(came);
    }

    /// Judges a packet that left, after these packets came in. True: it was translated.
    fn judge(
        &mut self,
        left: &[u8],
        came: &[Vec<u8>],
        batch: &mut Batch,
        world: &World,
        about: &str,
    ) -> bool {
        let why = match judge(came, left, &mut self.known, world, &SERVICES) {
            Verdict::Translated => return true,
            _ if is_late(left) => return false,
            Verdict::Wrong(why) => why,
            _ => return false,
        };
        // An earlier packet may have been handled late.
        match judge(&batch.came, left, &mut self.known, world, &SERVICES) {
            Verdict::Wrong(_) => {
                let came: Vec<_> = came.iter().map(|packet| text(packet)).collect();
                self.wrong.push(format!(
                    "{about}: {why}:\n  {}\nbecame\n  {}",
                    came.join("\n  "),
                    text(left)
                ));
            }
            verdict => {
                self.seen.late += 1;
                batch.late += u64::from(verdict == Verdict::Translated);
            }
        }
        false
    }
}

fn unexplained(numbers: &Range<u64>, others: &[(String, Vec<u8>)], fates: &Fates) -> String {
    let others: Vec<_> = others
        .iter()
        .map(|(about, packet)| format!("{about}: {}", text(packet)))
        .collect();
    format!(
        "numbers {numbers:?}: {} packets were not translated, but counted {fates:?}:\n  {}",
        others.len(),
        others.join("\n  ")
    )
}
