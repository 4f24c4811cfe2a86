// SPDX-License-Identifier: GPL-2.0-only
//! Sends mutations of the packets of `tests/packet-fixtures/` through module and program. None
//! may leave with one address translated and the other not.

use packet_fixtures::build::frame;
use packet_fixtures::fixture::{Fixture, Session};
use packet_fixtures::fragment::without_atomic;
use packet_fixtures::judge::{Flow, Verdict, flows, judge};
use packet_fixtures::mutate::{Random, mutate};
use packet_fixtures::read::{SCTP, TCP, UDP, read};
use packet_fixtures::world::{Ports, World};

use crate::lab::{Lab, success};
use crate::packet_fixtures::{Player, SERVICES, all, file, network, on_the_wire, text, trimmed};

fn environment(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap())
}

/// MUTATIONS_VM and SEED say how many packets, and which.
#[test]
fn no_mutated_packet_is_translated_by_half() {
    let (seed, times) = (environment("SEED", 1), environment("MUTATIONS_VM", 1000));
    let fixtures = all();
    let lab = Lab::new();
    let mut wrong = Vec::new();
    for fast_path in [false, true] {
        success(&lab.ipvs_bpf(&["down"]));
        lab.apply(&file(fast_path));
        wrong.extend(on_the_wire(&lab, |player| {
            player.next_port += 20_000 * u16::from(fast_path);
            fuzz(player, &fixtures, seed, times / 2)
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
fn is_late(packet: &[u8]) -> bool {
    let Some(read) = read(packet) else {
        return false;
    };
    let unreachable = match read.family {
        4 => [3, 1],
        _ => [1, 3],
    };
    let world = World::lab(Ports::default());
    let own = ["director", "director2"].map(|name| world.octets(name, read.family));
    let is_error = packet.get(read.transport..read.transport + 2) == Some(&unreachable);
    read.icmp(packet).is_some() && is_error && own.iter().any(|own| own == read.source(packet))
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

/// Makes a session of each kind, for the packets that are mutated.
fn begin(player: &mut Player, known: &mut Vec<Flow>) -> Vec<(Session, World)> {
    let mut sessions = Vec::new();
    for protocol in [UDP, TCP, SCTP] {
        for family in [4, 6] {
            let mut world = player.world(protocol);
            let session = Session { protocol, family };
            player.establish(session, &mut world).unwrap();
            known.extend(flows(&world, protocol, family));
            sessions.push((session, world));
        }
    }
    sessions
}

fn fuzz(player: &mut Player, fixtures: &[Fixture], seed: u64, times: u64) -> Vec<String> {
    let mut sessions = Vec::new();
    let mut known = Vec::new();
    let mut wrong = Vec::new();
    for number in 0..times {
        // A mutated segment may close the connection of all that follow.
        if number % 250 == 0 {
            sessions = begin(player, &mut known);
        }
        let mut random = Random::new(seed, number);
        let fixture = &fixtures[random.below(fixtures.len())];
        let step = &fixture.steps[random.below(fixture.steps.len())];
        let matching: Vec<_> = sessions
            .iter()
            .filter(|(session, _)| fixture.session.is_none_or(|other| other == *session))
            .collect();
        let (_, world) = matching[random.below(matching.len())];
        let mut sides = Vec::new();
        let mut came = Vec::new();
        for sent in &step.sent {
            let whole = frame(&sent.layers, world, player.wire.macs(sent.side)).unwrap();
            let mutated = mutate(&mut random, &whole, world);
            let packet = trimmed(network(&mutated).to_vec());
            if error_goes_to_director(&packet, world) {
                continue;
            }
            player.wire.send(sent.side, &mutated);
            came.push(without_atomic(packet.clone()));
            came.push(packet);
            sides.push(sent.side);
        }
        sides.dedup();
        let left = player.wire.settle(&sides).into_iter().flatten();
        for packet in left.map(without_atomic).filter(|packet| !is_late(packet)) {
            let packet = &packet;
            if let Verdict::Wrong(why) = judge(&came, packet, &mut known, world, &SERVICES) {
                let came: Vec<_> = came.iter().map(|packet| text(packet)).collect();
                wrong.push(format!(
                    "number {number}, of {}: {why}:\n  {}\nbecame\n  {}",
                    fixture.name,
                    came.join("\n  "),
                    text(packet)
                ));
            }
        }
    }
    // Everything is as before.
    begin(player, &mut known);
    wrong
}
