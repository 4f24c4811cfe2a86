// SPDX-License-Identifier: GPL-2.0-only
//! The files of `tests/packet-fixtures/` through the program alone, and mutations of their
//! packets.

use std::path::Path;

use packet_fixtures::build::{ETHERNET, frame, packet};
use packet_fixtures::fixture::{Fixture, Fragments, Session, Side, Step};
use packet_fixtures::fragment::cut;
use packet_fixtures::judge::{Flow, flow_of, flows, translation};
use packet_fixtures::mutate::{Random, mutate};
use packet_fixtures::read::{TCP, UDP, read};
use packet_fixtures::world::{Ports, World};

use ipvs_bpf::datapath::abi::Counter;

use super::HOOK;
use crate::bench::{Bench, DROPPED, Hook, LEFT, SENT};
use crate::family::{FAMILIES, Family};
use crate::lease::{MACS, TO_US, forwarded, lease};
use crate::packet::{pseudo, word};
use crate::test_run::Outcome;

const FROM: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn all() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packet-fixtures");
    Fixture::all(&folder).unwrap_or_else(|why| panic!("{why}"))
}

/// The names of the session that the maps have.
fn world() -> World {
    let [four, six] = [Family::V4, Family::V6].map(Family::session);
    World {
        client: [four.client.ip(), six.client.ip()],
        vip: [four.vip.ip(), six.vip.ip()],
        local_ip: [four.local_ip.ip(), six.local_ip.ip()],
        server: [four.server.ip(), six.server.ip()],
        ports: Ports {
            client: four.client.port(),
            vip: four.vip.port(),
            local_ip: four.local_ip.port(),
            server: four.server.port(),
        },
        id: 0x1234,
    }
}

/// The program with leases of both families for the protocol of that session, in any case
/// those of UDP.
struct Program {
    bench: Bench,
    protocol: u8,
}

impl Program {
    fn new() -> Self {
        let mut program = Self {
            bench: Bench::empty(HOOK),
            protocol: 0,
        };
        program.lease(UDP);
        program
    }

    fn lease(&mut self, protocol: u8) {
        if self.protocol != protocol {
            self.protocol = protocol;
            self.renew();
        }
    }

    /// The new leases have counted nothing.
    fn renew(&mut self) {
        for family in FAMILIES {
            family.set_leases(&mut self.bench, self.protocol, [lease(); 2]);
        }
    }

    /// All that the program has counted, since the leases are new.
    fn counted(&self) -> Counts {
        let leases = FAMILIES.map(|family| family.leases(&self.bench));
        let both = leases.iter().flatten().map(forwarded);
        let (packets, bytes) = both.fold((0, 0), |sum, lease| (sum.0 + lease.0, sum.1 + lease.1));
        Counts {
            packets,
            bytes,
            at_xdp: self.bench.sent_at_xdp(),
            dropped: self.bench.over_all_cpus(Counter::RewriteFailed),
        }
    }

    fn flows(&self) -> Vec<Flow> {
        let both = [4, 6].map(|family| flows(&world(), self.protocol, family));
        both.into_iter().flatten().collect()
    }

    /// Checks that the frame is untouched, dropped or, by both ends, translated.
    fn judge(&self, frame: &[u8], flows: &[Flow]) -> Result<Fate, String> {
        let Outcome { action, frame: out } = self.bench.ingress(frame);
        match action {
            LEFT if out == frame => Ok(Fate::Untouched),
            LEFT => Err("left to the host, but changed".to_owned()),
            SENT => {
                let flow =
                    flow_of(&frame[ETHERNET..], flows).ok_or("translated, but of no flow")?;
                if out[..12] != MACS.concat() || out[12..14] != frame[12..14] {
                    return Err("the link-layer header is wrong".to_owned());
                }
                translation(&frame[ETHERNET..], &out[ETHERNET..], flow).map(|()| Fate::Translated)
            }
            DROPPED => Ok(Fate::Dropped),
            other => Err(format!("the action {other}")),
        }
        .map_err(|why| format!("{why}:\n  {}\nbecame\n  {}", text(frame), text(&out)))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Untouched,
    Translated,
    Dropped,
}

/// The numbers that the program has counted, or should have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    packets: u64,
    bytes: u64,
    at_xdp: u64,
    dropped: u64,
}

impl Counts {
    /// Adds the packet of a frame with that fate.
    fn add(&mut self, fate: Fate, frame: &[u8]) {
        match fate {
            Fate::Untouched => (),
            Fate::Translated => {
                let packet = &frame[ETHERNET..];
                self.packets += 1;
                self.bytes += read(packet).map_or(0, |read| read.end) as u64;
                self.at_xdp += u64::from(HOOK == Hook::Xdp);
            }
            Fate::Dropped => self.dropped += 1,
        }
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A test run takes no more than a page, less what the kernel keeps for itself, and newer
/// kernels take no less than an IP header.
fn is_runnable(frame: &[u8]) -> bool {
    let least = match frame.get(12..14) {
        Some([0x08, 0x00]) => 20,
        Some([0x86, 0xdd]) => 40,
        _ => 1,
    };
    (ETHERNET + least..3000).contains(&frame.len())
}

fn frames(step: &Step, world: &World) -> Vec<(Side, Vec<u8>)> {
    let mut frames = Vec::new();
    for sent in &step.sent {
        let whole = frame(&sent.layers, world, [TO_US, FROM]).unwrap();
        let pieces = match &sent.fragments {
            Some(Fragments { size, order }) => cut(&whole, *size, order, world.id.into()),
            None => vec![whole],
        };
        frames.extend(pieces.into_iter().map(|piece| (sent.side, piece)));
    }
    frames.retain(|(_, frame)| is_runnable(frame));
    frames
}

/// True if the checksum is the sum of the pseudo-header. XDP cannot know whether the device would
/// complete it. The frame has no options and no extension headers.
fn looks_partial(frame: &[u8]) -> bool {
    let (header, protocol) = match frame[ETHERNET] >> 4 {
        4 => (20, frame[ETHERNET + 9]),
        _ => (40, frame[ETHERNET + 6]),
    };
    let transport = ETHERNET + header;
    let check = transport + if protocol == TCP { 16 } else { 6 };
    word(frame, check) == pseudo(frame, transport)
}

fn play(program: &mut Program, fixture: &Fixture, step: &Step) -> Result<(), String> {
    let mut world = world();
    match fixture.session {
        Some(Session { protocol, .. }) => program.lease(protocol),
        // Nobody has a session with this port.
        None => {
            world.ports.client += 1;
            world.ports.local_ip += 1;
        }
    }
    let flows = program.flows();
    for (side, frame) in frames(step, &world) {
        let flow = flows
            .iter()
            .position(|flow| Some(flow) == flow_of(&frame[ETHERNET..], &flows));
        // The leases are for one interface, as if there were no other.
        if flow.is_some_and(|flow| (flow % 2 == 0) != (side == Side::Client)) {
            continue;
        }
        let fate = program.judge(&frame, &flows)?;
        let expected = match step.program && !(HOOK == Hook::Xdp && looks_partial(&frame)) {
            true => Fate::Translated,
            false => Fate::Untouched,
        };
        if fate != expected {
            return Err(format!("{fate:?} by the program: {}", text(&frame)));
        }
        let translated = fate == Fate::Translated;
        let Some(received) = step.received.first().filter(|_| translated) else {
            continue;
        };
        let expected = packet(&received.layers, &world)?;
        let out = program.bench.ingress(&frame).frame;
        if out[ETHERNET..][..expected.len()] != expected {
            return Err(format!(
                "became {} instead of {}",
                text(&out[ETHERNET..]),
                text(&expected)
            ));
        }
    }
    Ok(())
}

#[test]
fn the_program_translates_the_packet_fixtures_that_say_so_and_leaves_all_others() {
    let mut program = Program::new();
    let mut wrong = Vec::new();
    let mut translated = 0;
    // Without the fast path there are no leases.
    for fixture in all()
        .iter()
        .filter(|fixture| fixture.fast_path != Some(false))
    {
        for step in &fixture.steps {
            translated += u32::from(step.program);
            if let Err(why) = play(&mut program, fixture, step) {
                wrong.push(format!(
                    "{}, line {}: {why}",
                    fixture.name, step.sent[0].line
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(translated > 50, "{translated}");
    assert_eq!(program.bench.counted(), []);
}

/// So many packets are compared with what the program has counted. Each could be.
const BATCH: usize = 500;

fn environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

/// MUTATIONS and SEED say how many packets, and which.
#[test]
fn no_mutated_packet_is_translated_by_half() {
    let (seed, times) = (environment("SEED", 1), environment("MUTATIONS", 20_000));
    let world = world();
    let mut corpora = Vec::new();
    for protocol in [UDP, TCP] {
        let of = |fixture: &Fixture| {
            fixture
                .session
                .is_none_or(|session| session.protocol == protocol)
        };
        let fixtures = all().into_iter().filter(of);
        let steps = fixtures.flat_map(|fixture| fixture.steps);
        // A quarter of the packets are mutations of what the program translates.
        let (few, many): (Vec<_>, Vec<_>) = steps.partition(|step| step.program);
        let frames = |steps: Vec<Step>| -> Vec<_> {
            steps.iter().flat_map(|step| frames(step, &world)).collect()
        };
        corpora.push((protocol, [frames(few), frames(many)]));
    }
    let mut program = Program::new();
    let mut translated = 0;
    let mut dropped = 0;
    for (half, (protocol, corpus)) in (0..).zip(&corpora) {
        program.lease(*protocol);
        let flows = program.flows();
        let numbers: Vec<u64> = (half..times).step_by(2).collect();
        for batch in numbers.chunks(BATCH) {
            program.renew();
            let before = program.counted();
            let mut expected = before;
            for number in batch {
                let mut random = Random::new(seed, *number);
                let corpus = &corpus[random.below(4).min(1)];
                let (_, original) = &corpus[random.below(corpus.len())];
                let frame = mutate(&mut random, original, &world);
                if !is_runnable(&frame) {
                    continue;
                }
                match program.judge(&frame, &flows) {
                    Ok(fate) => expected.add(fate, &frame),
                    Err(why) => panic!("SEED={seed}, number {number}: {why}"),
                }
            }
            let counted = program.counted();
            assert_eq!(counted, expected, "SEED={seed}, numbers {batch:?}");
            translated += counted.packets;
            dropped += counted.dropped - before.dropped;
        }
    }
    // Most are broken, but not all.
    assert!(translated > times / 1000, "{translated} of {times}");
    eprintln!(
        "of {times} mutated packets {translated} were translated, rightly, and {dropped} dropped"
    );
}
