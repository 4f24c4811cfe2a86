// SPDX-License-Identifier: GPL-2.0-only
//! Judges what became of a packet, by its bytes and the flows of the sessions alone. The
//! comparisons compute no checksum by differences, as module and program do: they check
//! that a right one is right, and a wrong one wrong by as much.

use std::collections::HashMap;

use crate::read::{Ends, Read, SCTP, TCP, UDP, read, word};
use crate::sum::{add, pseudo, same, sum};
use crate::world::World;

/// One direction of a session: its packets as they come and as they leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    pub from: Ends,
    pub to: Ends,
}

/// Both directions of the session between the ends of a world.
pub fn flows(world: &World, protocol: u8, family: u8) -> [Flow; 2] {
    let ends = |names: [&str; 2]| {
        let octets = |name| world.octets(name, family);
        Ends {
            protocol,
            addresses: names.map(octets).concat(),
            ports: names.map(|name| world.port(name).expect("a name")),
        }
    };
    [
        Flow {
            from: ends(["client", "vip"]),
            to: ends(["local", "server"]),
        },
        Flow {
            from: ends(["server", "local"]),
            to: ends(["vip", "client"]),
        },
    ]
}

/// The ends of the packet or, for an ICMP error, of what would answer the packet that it is
/// about.
fn ends_of(packet: &[u8]) -> Option<Ends> {
    let whole = read(packet)?;
    match whole.quote(packet) {
        Some(at) => {
            let inner = packet.get(at..)?;
            Some(read(inner)?.ends(inner)?.reversed())
        }
        None => whole.ends(packet),
    }
}

/// The flow of which the packet is, or, for an ICMP error, the flow that would answer what
/// it is about.
pub fn flow_of<'a>(packet: &[u8], flows: &'a [Flow]) -> Option<&'a Flow> {
    let ends = ends_of(packet)?;
    flows.iter().find(|flow| flow.from == ends)
}

/// The flows of many sessions, by their packets as they come.
#[derive(Debug, Default)]
pub struct Flows(HashMap<Ends, Flow>);

impl Flows {
    /// Adds both directions of a session, in place of sessions that had one of them.
    pub fn add(&mut self, both: [Flow; 2]) {
        for flow in &both {
            if let Some(old) = self.0.remove(&flow.from) {
                self.0.remove(&old.to.reversed());
            }
        }
        for flow in both {
            self.0.insert(flow.from.clone(), flow);
        }
    }
}

/// Checks that the second packet is the first one, rightly translated by that flow.
pub fn translation(old: &[u8], new: &[u8], flow: &Flow) -> Result<(), String> {
    let (before, after) = match (read(old), read(new)) {
        (Some(before), Some(after)) => (before, after),
        _ => return Err("not two packets".to_owned()),
    };
    let (old, new) = (&old[..before.end], &new[..after.end.min(new.len())]);
    if old.len() != new.len() || (before.transport, before.end) != (after.transport, after.end) {
        return Err(format!("{} bytes became {}", old.len(), new.len()));
    }
    if *after.addresses(new) != flow.to.addresses[..] {
        return Err("its addresses are not those of the session".to_owned());
    }
    header(old, new, &before)?;
    match before.quote(old) {
        Some(quote) => error(old, new, &before, quote, flow),
        None => segment(old, new, &before, flow),
    }
}

/// The IP header with its extensions: only addresses, hops and checksum may differ.
fn header(old: &[u8], new: &[u8], read: &Read) -> Result<(), String> {
    let hops = if read.family == 4 { 8 } else { 7 };
    if new[hops].wrapping_add(1) != old[hops] {
        return Err(format!("{} hops became {}", old[hops], new[hops]));
    }
    for at in 0..read.transport.min(old.len()) {
        let changes = at == hops
            || (read.addresses[0]..read.addresses[1]).contains(&at)
            || read.family == 4 && (10..12).contains(&at);
        if !changes && old[at] != new[at] {
            return Err(format!("byte {at} of the header changed"));
        }
    }
    let sums = [old, new].map(|packet| sum(&[&packet[..read.transport.min(packet.len())]]));
    if read.family == 4 && !same(sums[0], sums[1]) {
        return Err("the checksum of the IPv4 header is wrong".to_owned());
    }
    Ok(())
}

/// TCP, UDP or SCTP: only ports and checksum may differ.
fn segment(old: &[u8], new: &[u8], read: &Read, flow: &Flow) -> Result<(), String> {
    let start = read.transport;
    let ports = [word(new, start), word(new, start + 2)];
    if ports != flow.to.ports.map(Some) {
        return Err(format!("its ports are {ports:?}"));
    }
    let check = read.check();
    for at in start + 4..old.len() {
        let changes = check.is_some_and(|check| (check..check + 2).contains(&at));
        if !changes && old[at] != new[at] {
            return Err(format!("byte {at} changed, behind the ports"));
        }
    }
    let Some(check) = check else {
        return Ok(());
    };
    let none = |packet| read.protocol == UDP && word(packet, check) == Some(0);
    if none(old) || none(new) {
        return match none(old) && none(new) {
            true => Ok(()),
            false => Err("a checksum of 0 came or went".to_owned()),
        };
    }
    let sums = [old, new].map(|packet| {
        let pseudo = pseudo(read.addresses(packet), read.protocol, packet.len() - start);
        add(pseudo, sum(&[&packet[start..]]))
    });
    match same(sums[0], sums[1]) {
        true => Ok(()),
        false => Err("the transport checksum is wrong".to_owned()),
    }
}

/// An ICMP error: its checksum is right, and the packet inside is what its sender sent.
fn error(old: &[u8], new: &[u8], read_: &Read, quote: usize, flow: &Flow) -> Result<(), String> {
    let start = read_.transport;
    let whole = |packet: &[u8]| {
        let pseudo = match read_.family {
            4 => 0,
            _ => pseudo(read_.addresses(packet), 58, packet.len() - start),
        };
        same(add(pseudo, sum(&[&packet[start..]])), 0xffff)
    };
    if !whole(old) {
        return Err("an error with a wrong checksum was translated".to_owned());
    }
    if !whole(new) {
        return Err("the checksum of the error is wrong".to_owned());
    }
    if old[start..start + 2] != new[start..start + 2]
        || old[start + 4..quote] != new[start + 4..quote]
    {
        return Err("the header of the error changed".to_owned());
    }
    let (old, new) = (&old[quote..], &new[quote..]);
    let (Some(before), Some(after)) = (read(old), read(new)) else {
        return Err("an error about a broken packet was translated".to_owned());
    };
    let sender = flow.to.reversed();
    if after.ends(new).as_ref() != Some(&sender) {
        return Err("the packet inside is not what its sender sent".to_owned());
    }
    let check = before.check().filter(|check| *check + 2 <= old.len());
    for at in 0..old.len() {
        let changes = (before.addresses[0]..before.addresses[1]).contains(&at)
            || (before.transport..before.transport + 4).contains(&at)
            || before.family == 4 && (10..12).contains(&at)
            || check.is_some_and(|check| (check..check + 2).contains(&at));
        if !changes && old[at] != new[at] {
            return Err(format!("byte {at} of the packet inside changed"));
        }
    }
    let header = |packet: &[u8]| sum(&[&packet[..before.transport.min(packet.len())]]);
    if before.family == 4 && !same(header(old), header(new)) {
        return Err("the IPv4 checksum of the packet inside is wrong".to_owned());
    }
    let Some(check) = check.filter(|_| before.protocol != SCTP) else {
        return Ok(());
    };
    if before.protocol == UDP && old[check..check + 2] == [0, 0] {
        return match new[check..check + 2] {
            [0, 0] => Ok(()),
            _ => Err("the packet inside got a checksum".to_owned()),
        };
    }
    // Most of what it covers may be cut off.
    let covered = |packet: &[u8]| {
        let ports = &packet[before.transport..before.transport + 4];
        sum(&[before.addresses(packet), ports, &packet[check..check + 2]])
    };
    match same(covered(old), covered(new)) {
        true => Ok(()),
        false => Err("the transport checksum of the packet inside is wrong".to_owned()),
    }
}

/// A packet that left the director, judged by those that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Translated,
    /// Routed, with both its addresses.
    Forwarded,
    /// The host's own, about a packet that came in.
    Answer,
    /// Neither, with the reason.
    Wrong(String),
}

/// `services`: for each protocol and port of a VIP, the port of its server. A connection
/// that is new becomes two more flows.
pub fn judge(
    came: &[Vec<u8>],
    left: &[u8],
    flows: &mut Flows,
    world: &World,
    services: &[(u8, u16, u16)],
) -> Verdict {
    let Some(out) = read(left) else {
        return Verdict::Wrong("not a packet".to_owned());
    };
    let mut wrong = "it has the addresses of no packet that came in".to_owned();
    for packet in came {
        let Some(into) = read(packet) else {
            continue;
        };
        if into.addresses(packet) == out.addresses(left) {
            match forwarded(packet, &into, left, &out, came) {
                Ok(()) => return Verdict::Forwarded,
                Err(why) => wrong = why,
            }
        }
        if answers(packet, &into, left, &out) {
            return Verdict::Answer;
        }
        if is_ipsec_reply(packet, &into, left, &out, world) {
            return Verdict::Translated;
        }
        if is_native_error(packet, &into, left, &out, world) {
            return Verdict::Translated;
        }
        learn(packet, &into, left, &out, flows, world, services);
        let known = ends_of(packet).and_then(|ends| flows.0.get(&ends));
        let mut is_of = |flow: &Flow| match translation(packet, left, flow) {
            Ok(()) => true,
            Err(why) => {
                wrong = why;
                false
            }
        };
        if known.is_some_and(&mut is_of) || native(packet, &into, flows).as_ref().is_some_and(is_of)
        {
            return Verdict::Translated;
        }
    }
    // The whole packet is in none of the pieces.
    let pieces = came
        .iter()
        .any(|packet| read(packet).is_some_and(|read| read.fragment));
    let octets = |name| world.octets(name, out.family);
    let request = [octets("local"), octets("server")].concat();
    let right = out.addresses(left) == request || out.source(left) == octets("vip");
    if pieces && right {
        return Verdict::Translated;
    }
    Verdict::Wrong(wrong)
}

/// IPVS answers for a server that sends to a client without a local IP between them. The client
/// gets what it would get by full NAT.
fn native(packet: &[u8], into: &Read, flows: &Flows) -> Option<Flow> {
    let from = into.ends(packet)?;
    let half = from.addresses.len() / 2;
    let reply = flows.0.values().find(|flow| {
        let [source, destination] = [&flow.from.addresses, &flow.to.addresses];
        flow.from.protocol == from.protocol
            && source.len() == from.addresses.len()
            && source[..half] == from.addresses[..half]
            && destination[half..] == from.addresses[half..]
            && [flow.from.ports[0], flow.to.ports[1]] == from.ports
    })?;
    let to = reply.to.clone();
    Some(Flow { from, to })
}

/// True for ESP or AH that a server sends to a client: IPVS answers for it, by the connection
/// of UDP port 500.
fn is_ipsec_reply(packet: &[u8], into: &Read, left: &[u8], out: &Read, world: &World) -> bool {
    let octets = |name| world.octets(name, into.family);
    into.family == out.family
        && [50, 51].contains(&into.protocol)
        && into.protocol == out.protocol
        && into.source(packet) == octets("server")
        && out.source(left) == octets("vip")
        && into.destination(packet) == out.destination(left)
        && packet[into.transport.min(into.end)..into.end]
            == left[out.transport.min(out.end)..out.end]
}

/// True for an error to a client about what it sent to a server directly: IPVS makes it one
/// about what the client sends to the VIP. Some router or this host has reported it.
fn is_native_error(packet: &[u8], into: &Read, left: &[u8], out: &Read, world: &World) -> bool {
    let octets = |name| world.octets(name, into.family);
    let ends = |packet: &[u8], quote: usize| {
        let inner = packet.get(quote..)?;
        Some(read(inner)?.addresses(inner).to_vec())
    };
    let Some(after) = out.quote(left).and_then(|quote| ends(left, quote)) else {
        return false;
    };
    let before = match into.quote(packet) {
        Some(quote) => ends(packet, quote),
        None => Some(into.addresses(packet).to_vec()),
    };
    let client = out.destination(left);
    into.family == out.family
        && out.source(left) == octets("vip")
        && after == [client, &octets("vip")].concat()
        && before == Some([client, &octets("server")].concat())
}

/// Checks that only hops, IPv4 options and their checksum differ.
fn forwarded(
    packet: &[u8],
    into: &Read,
    left: &[u8],
    out: &Read,
    came: &[Vec<u8>],
) -> Result<(), String> {
    let payload = &packet[into.transport.min(into.end)..into.end];
    if payload == &left[out.transport.min(out.end)..out.end] {
        return Ok(());
    }
    // The host itself may have put fragments together.
    let pieces = came
        .iter()
        .any(|packet| read(packet).is_some_and(|read| read.fragment));
    match pieces || into.fragment || out.fragment {
        true => Ok(()),
        false => Err("it was routed with both its addresses, but changed".to_owned()),
    }
}

/// True for an ICMP message or a reset to the sender of the packet.
fn answers(packet: &[u8], into: &Read, left: &[u8], out: &Read) -> bool {
    if into.family != out.family || out.destination(left) != into.source(packet) {
        return false;
    }
    if let Some(quote) = out.quote(left) {
        let inner = &left[quote.min(left.len())..];
        // The host quotes what the sender sent, as far as there is room.
        let length = (into.transport + 4).min(into.end).min(inner.len());
        let ports = into.transport.min(length)..length;
        return read(inner).is_some_and(|read| {
            read.addresses(inner) == into.addresses(packet) && inner[ports.clone()] == packet[ports]
        });
    }
    // Echo and timestamp.
    let replies: &[u8] = if out.family == 4 { &[0, 14] } else { &[129] };
    if out.icmp(left).is_some_and(|kind| replies.contains(&kind)) {
        return true;
    }
    let reset = out.protocol == 6
        && left
            .get(out.transport + 13)
            .is_some_and(|flags| flags & 4 != 0);
    match (into.ends(packet), out.ends(left)) {
        (Some(there), Some(back)) => reset && there.reversed() == back,
        _ => false,
    }
}

/// Adds the flows of a connection that the packet has begun.
fn learn(
    packet: &[u8],
    into: &Read,
    left: &[u8],
    out: &Read,
    flows: &mut Flows,
    world: &World,
    services: &[(u8, u16, u16)],
) {
    let (Some(from), Some(to)) = (into.ends(packet), out.ends(left)) else {
        return;
    };
    let octets = |name| world.octets(name, into.family);
    let [vip, local, server] = ["vip", "local", "server"].map(octets);
    let service = |ports: [u16; 2]| services.contains(&(from.protocol, ports[0], ports[1]));
    let request = into.destination(packet) == vip
        && to.addresses == [&local[..], &server].concat()
        && service([from.ports[1], to.ports[1]]);
    // The request may have been put together of packets that came earlier.
    let reply = from.addresses == [&server[..], &local].concat()
        && out.source(left) == vip
        && service([to.ports[0], from.ports[0]]);
    // A client may begin again on a connection that ends, and gets another local port.
    let syn = packet
        .get(into.transport + 13)
        .is_some_and(|flags| flags & 2 != 0);
    let again = request && from.protocol == TCP && syn;
    // A local port that was of another session may be free again.
    let known = flows.0.contains_key(&from);
    if !(request || reply) || known && !again || from.protocol != to.protocol {
        return;
    }
    let back = Flow {
        from: to.reversed(),
        to: from.reversed(),
    };
    flows.add([Flow { from, to }, back]);
}
