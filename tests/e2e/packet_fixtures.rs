// SPDX-License-Identifier: GPL-2.0-only
//! Plays the files of `tests/packet-fixtures/` through module and program.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

use packet_fixtures::build::{frame, packet};
use packet_fixtures::fixture::{Answer, Fixture, Session, Side, Step};
use packet_fixtures::fragment::{cut, join};
use packet_fixtures::judge::{Flow, Flows, Verdict, flow_of, flows, judge, translation};
use packet_fixtures::layer::Layer;
use packet_fixtures::read::{SCTP, TCP, UDP, read};
use packet_fixtures::world::{Ports, World};

use crate::lab::{Lab, eventually, success};
use crate::packet_wire::{Wire, index};

/// Protocol, port of the VIP, port of the server. IPVS takes ESP and AH for packets of the
/// connection of UDP port 500.
pub const SERVICES: [(u8, u16, u16); 4] = [
    (UDP, 1000, 2000),
    (TCP, 1001, 2001),
    (SCTP, 1002, 1002),
    (UDP, 500, 500),
];

/// Counters that say nothing about single packets.
const NOT_OF_PACKETS: [&str; 5] = [
    "sessions",
    "sessions_ended",
    "port_collisions",
    "fast_packets_original",
    "fast_packets_reply",
];

pub fn file(fast_path: bool) -> String {
    let mut text = format!(
        "[director]\ninterfaces = [\"eth0\", \"eth1\"]\nfast_path = {fast_path}\nmax_sessions = 20000\n\
         [local_ips.default]\naddresses = [\"10.2.0.100\", \"fd00:2::100\"]\n"
    );
    for (protocol, port, to) in SERVICES {
        let name = match protocol {
            TCP => "tcp",
            UDP => "udp",
            _ => "sctp",
        };
        for (vip, server) in [("10.0.0.1", "10.2.0.2"), ("[fd00::1]", "[fd00:2::2]")] {
            text += &format!(
                "[[service]]\naddress = \"{name}://{vip}:{port}\"\nscheduler = \"rr\"\n\
                 snat = \"default\"\n  [[service.server]]\n  address = \"{server}:{to}\"\n"
            );
        }
    }
    text
}

pub fn all() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packet-fixtures");
    Fixture::all(&folder).unwrap_or_else(|why| panic!("{why}"))
}

fn layers(lines: &[String]) -> Vec<Layer> {
    lines
        .iter()
        .map(|line| Layer::parse(line).unwrap())
        .collect()
}

pub struct Player {
    pub wire: Wire,
    pub next_port: u16,
}

impl Player {
    fn new(lab: &Lab) -> Self {
        Self {
            wire: Wire::new(lab),
            next_port: 10_000,
        }
    }

    /// A world whose client has a port to itself.
    pub fn world(&mut self, protocol: u8) -> World {
        self.next_port += 1;
        let (_, vip, server) = SERVICES
            .into_iter()
            .find(|service| service.0 == protocol)
            .unwrap();
        let ports = Ports {
            client: self.next_port,
            vip,
            local_ip: 0,
            server,
        };
        World {
            id: self.next_port,
            ..World::lab(ports)
        }
    }

    /// Makes the session, with leases where there can be any.
    pub fn establish(&mut self, session: Session, world: &mut World) -> Result<(), String> {
        let Session { protocol, family } = session;
        let ip = |ends: &str| format!("ip{family} {ends}");
        // TCP gets a lease with the fourth packet of a direction after the handshake's SYNs,
        // UDP with the second one.
        let transport = match protocol {
            TCP => [&["tcp flags=S", "tcp flags=SA"][..], &["tcp flags=A"; 8]].concat(),
            UDP => vec!["udp"; 6],
            _ => vec![
                "sctp/chunk 1",
                "sctp/chunk 2",
                "sctp/chunk 10",
                "sctp/chunk 11",
            ],
        };
        for (number, layer) in transport.iter().enumerate() {
            let (side, ends) = match number % 2 {
                0 => (Side::Client, "client > vip"),
                _ => (Side::Server, "server > local"),
            };
            let (name, rest) = layer.split_once(['/', ' ']).unwrap_or((layer, ""));
            let mut lines = vec![ip(ends), format!("{name} {ends}")];
            match protocol {
                TCP => lines[1] += &format!(" {rest}"),
                SCTP => lines.push(rest.to_owned()),
                _ => (),
            }
            lines.push("data hello".to_owned());
            let sent = frame(&layers(&lines), world, self.wire.macs(side))?;
            self.wire.send(side, &sent);
            // Later packets need no wait: each takes the way of the one before.
            if number == 0 || number + 1 == transport.len() {
                let came = self.wire.settle(&[side]);
                learn(world, &came);
            }
        }
        match world.ports.local_ip {
            0 => Err("the session did not come to be".to_owned()),
            _ => Ok(()),
        }
    }

    fn play(&mut self, fixture: &Fixture) -> Result<(), String> {
        let mut world = self.world(fixture.protocol());
        if let Some(session) = fixture.session {
            self.establish(session, &mut world)?;
        }
        for step in &fixture.steps {
            let line = step.sent[0].line;
            self.step(step, &mut world)
                .map_err(|why| format!("line {line}: {why}"))?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, world: &mut World) -> Result<(), String> {
        let before = self.wire.counters();
        let mut sides = Vec::new();
        let mut sent = Vec::new();
        for packet in &step.sent {
            let whole = frame(&packet.layers, world, self.wire.macs(packet.side))?;
            let frames = match &packet.fragments {
                Some(fragments) => cut(&whole, fragments.size, &fragments.order, world.id.into()),
                None => vec![whole.clone()],
            };
            for frame in &frames {
                self.wire.send(packet.side, frame);
                sent.push(network(frame).to_vec());
            }
            sent.push(network(&whole).to_vec());
            if !sides.contains(&packet.side) {
                sides.push(packet.side);
            }
        }
        let came = self
            .wire
            .settle(&sides)
            .map(|packets| join(packets.into_iter().map(trimmed).collect()));
        learn(world, &came);
        let counted = grown(&before, &self.wire.counters());
        check(step, world, &sent, came, &counted)
    }
}

/// Without what fills up a short frame.
pub fn trimmed(mut packet: Vec<u8>) -> Vec<u8> {
    if let Some(read) = read(&packet) {
        packet.truncate(read.end);
    }
    packet
}

/// The packet of a frame, behind its VLAN tags.
pub fn network(frame: &[u8]) -> &[u8] {
    let mut at = 12;
    while matches!(frame.get(at..at + 2), Some([0x81, 0] | [0x88, 0xa8])) {
        at += 4;
    }
    frame.get(at + 2..).unwrap_or_default()
}

/// The port that the module has chosen.
fn learn(world: &mut World, came: &[Vec<Vec<u8>>; 2]) {
    if world.ports.local_ip != 0 {
        return;
    }
    for packet in &came[index(Side::Server)] {
        let Some(ends) = read(packet).and_then(|read| read.ends(packet)) else {
            continue;
        };
        let family = if ends.addresses.len() == 8 { 4 } else { 6 };
        let [there, _] = flows(world, ends.protocol, family);
        if ends.addresses == there.to.addresses {
            world.ports.local_ip = ends.ports[0];
        }
    }
}

fn grown(before: &[(String, u64)], after: &[(String, u64)]) -> BTreeMap<String, u64> {
    before
        .iter()
        .zip(after)
        .filter(|(old, _)| !NOT_OF_PACKETS.contains(&old.0.as_str()))
        .map(|(old, new)| (old.0.clone(), new.1 - old.1))
        .filter(|(_, times)| *times != 0)
        .collect()
}

fn check(
    step: &Step,
    world: &World,
    sent: &[Vec<u8>],
    came: [Vec<Vec<u8>>; 2],
    counted: &BTreeMap<String, u64>,
) -> Result<(), String> {
    let expected: BTreeMap<_, _> = step.counted.iter().cloned().collect();
    let mut came = came;
    for received in &step.received {
        let packet = packet(&received.layers, world)?;
        let there = &mut came[index(received.side)];
        match there.iter().position(|other| *other == packet) {
            Some(place) => drop(there.remove(place)),
            None => {
                return Err(format!(
                    "line {} did not arrive:\n  {}\nbut\n  {}\ncounted {counted:?}",
                    received.line,
                    text(&packet),
                    there
                        .iter()
                        .map(|packet| text(packet))
                        .collect::<Vec<_>>()
                        .join("\n  ")
                ));
            }
        }
    }
    if let Some(side) = step.translated {
        let packet = came[index(side)].pop().ok_or("nothing arrived")?;
        let known = all_flows(world);
        let flow = flow_of(&sent[0], &known).ok_or("it is not of the session")?;
        translation(&sent[0], &packet, flow).map_err(|why| format!("{why}: {}", text(&packet)))?;
    }
    for answer in &step.answers {
        let there = &mut came[index(answer.side)];
        match there.iter().position(|packet| is_answer(packet, answer)) {
            Some(place) => {
                let packet = there.remove(place);
                let verdict = judge(sent, &packet, &mut Flows::default(), world, &[]);
                if verdict != Verdict::Answer {
                    return Err(format!("{answer:?} is {verdict:?}: {}", text(&packet)));
                }
            }
            None => {
                let left = came.iter().flatten().map(|packet| text(packet));
                let left = left.collect::<Vec<_>>().join("\n  ");
                return Err(format!(
                    "{answer:?} did not come, but {left}; counted {counted:?}"
                ));
            }
        }
    }
    for packet in came.iter().flatten() {
        let verdict = judge(sent, packet, &mut Flows::default(), world, &[]);
        if !step.untouched || !matches!(verdict, Verdict::Answer | Verdict::Forwarded) {
            return Err(format!(
                "what nobody expects, {verdict:?}, counted {counted:?}: {}",
                text(packet)
            ));
        }
    }
    match *counted == expected {
        true => Ok(()),
        false => Err(format!("counted {counted:?} instead of {expected:?}")),
    }
}

/// Those that the session of the world can have.
fn all_flows(world: &World) -> Vec<Flow> {
    let of = |protocol| [4, 6].map(|family| flows(world, protocol, family));
    [UDP, TCP, SCTP]
        .map(of)
        .into_iter()
        .flatten()
        .flatten()
        .collect()
}

fn is_answer(packet: &[u8], answer: &Answer) -> bool {
    read(packet).is_some_and(|read| {
        read.family == answer.family
            && read.icmp(packet) == Some(answer.kind)
            && packet.get(read.transport + 1) == Some(&answer.code)
    })
}

pub fn text(packet: &[u8]) -> String {
    packet.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Calls it on a thread of its own, which stays in the director's network namespace.
pub fn on_the_wire<T: Send>(lab: &Lab, call: impl FnOnce(&mut Player) -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(|| call(&mut Player::new(lab))).join().unwrap())
}

/// FIXTURE says which ones, by a part of their names.
#[test]
fn every_packet_fixture_becomes_what_it_says_with_and_without_the_fast_path() {
    let mut fixtures = all();
    let chosen = std::env::var("FIXTURE").unwrap_or_default();
    fixtures.retain(|fixture| fixture.name.contains(&chosen));
    let lab = Lab::new();
    let mut wrong = Vec::new();
    for fast_path in [false, true] {
        // No port has a connection of the first round.
        success(&lab.ipvs_bpf(&["down"]));
        lab.apply(&file(fast_path));
        let way = if fast_path { "with" } else { "without" };
        let mistakes = on_the_wire(&lab, |player| {
            player.next_port += 20_000 * u16::from(fast_path);
            let play = |fixture: &Fixture| {
                if fixture.fast_path == Some(!fast_path) {
                    return None;
                }
                let why = player.play(fixture).err()?;
                Some(format!("{} {way} the fast path: {why}", fixture.name))
            };
            fixtures.iter().filter_map(play).collect::<Vec<_>>()
        });
        wrong.extend(mistakes);
        let fast = || lab.counter("fast_packets_original") + lab.counter("fast_packets_reply");
        match fast_path {
            _ if !chosen.is_empty() => (),
            true => eventually("the program translated some", || fast() > 0),
            false => assert_eq!(fast(), 0),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
