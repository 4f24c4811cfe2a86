// SPDX-License-Identifier: GPL-2.0-only
//! Mutated packets. A seed and a number make the same packet each time.

use crate::build::ETHERNET;
use crate::read::{Read, read};
use crate::sum::{pseudo, sum};
use crate::world::World;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of one packet.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut random = Self(seed);
        Self(random.next() ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}

/// Changes a frame in one to five places. Checksums are mostly right afterwards, since a
/// packet with a wrong one does not get far.
pub fn mutate(random: &mut Random, frame: &[u8], world: &World) -> Vec<u8> {
    let mut frame = frame.to_vec();
    for _ in 0..1 + random.below(5) {
        change(random, &mut frame, world);
    }
    if frame.len() > ETHERNET && !random.one_in(6) {
        let mut packet = frame.split_off(ETHERNET);
        if !random.one_in(4) {
            fill_lengths(&mut packet);
        }
        fill_checksums(&mut packet, 0);
        frame.extend(packet);
    }
    if random.one_in(64) {
        frame.truncate(ETHERNET + random.below(frame.len()));
    }
    frame
}

/// Another choice of field each time; some do not fit the packet and do nothing.
fn change(random: &mut Random, frame: &mut Vec<u8>, world: &World) {
    let mut packet = frame.split_off(ETHERNET.min(frame.len()));
    let mut at = 0;
    // The packet inside an error half of the time.
    if let Some(quote) = read(&packet).and_then(|read| read.quote(&packet))
        && quote < packet.len()
        && random.one_in(2)
    {
        at = quote;
    }
    let inner = packet[at.min(packet.len())..].to_vec();
    match read(&inner) {
        Some(place) => {
            let tail = change_packet(random, inner, &place, world);
            packet.truncate(at);
            packet.extend(tail);
        }
        None => noise(random, &mut packet),
    }
    frame.extend(packet);
}

fn noise(random: &mut Random, bytes: &mut [u8]) {
    let at = random.below(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= random.pick(&[1, 2, 4, 8, 16, 32, 64, 128, 255]);
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn change_packet(random: &mut Random, mut packet: Vec<u8>, place: &Read, world: &World) -> Vec<u8> {
    let transport = place.transport;
    match random.below(18) {
        0 | 1 => put(
            &mut packet,
            place.addresses[0],
            &address(random, place.family, world),
        ),
        2 | 3 => {
            let half = (place.addresses[1] - place.addresses[0]) / 2;
            let address = address(random, place.family, world);
            put(&mut packet, place.addresses[0] + half, &address);
        }
        4 => swap(&mut packet, place),
        5 | 6 => {
            let ports = world.ports;
            let known = [
                ports.client,
                ports.vip,
                ports.local_ip,
                ports.server,
                0,
                1,
                53,
                65535,
            ];
            let port = random.pick(&known).to_be_bytes();
            put(&mut packet, transport + 2 * random.below(2), &port);
        }
        7 => {
            let hops = random.pick(&[0, 1, 2, 255]);
            put(&mut packet, if place.family == 4 { 8 } else { 7 }, &[hops]);
        }
        8 => {
            let known = [
                0, 1, 4, 6, 6, 17, 17, 33, 41, 43, 44, 47, 50, 51, 58, 59, 60, 132, 135, 136, 255,
            ];
            let protocol = random.pick(&known);
            put(
                &mut packet,
                if place.family == 4 { 9 } else { 6 },
                &[protocol],
            );
        }
        9 => {
            let at = if place.family == 4 { 2 } else { 4 };
            let lie = random.pick(&[0u16, 1, 7, 8, 19, 20, 21, 28, 39, 40, 60, 100, 1500, 65535]);
            put(&mut packet, at, &lie.to_be_bytes());
        }
        10 if place.family == 4 => {
            let fragment =
                random.pick(&[0u16, 0x2000, 0x2001, 1, 185, 0x1fff, 0x4000, 0x8000, 0x6000]);
            put(&mut packet, 6, &fragment.to_be_bytes());
        }
        11 if place.family == 4 => {
            let first = random.pick(&[0x40, 0x44, 0x45, 0x46, 0x4f, 0x50, 0x55, 0x65, 0x05]);
            put(&mut packet, 0, &[first]);
        }
        10..=12 => packet = with_extra_header(random, packet, place),
        13 => {
            let value = random.next() as u8;
            put(&mut packet, transport + 12 + random.below(2), &[value]);
        }
        14 => {
            let value = (random.next() as u8, random.below(16) as u8);
            put(&mut packet, transport, &[value.0, value.1]);
        }
        15 => packet.truncate(packet.len() - random.below(packet.len())),
        16 => {
            let value = random.pick(&[0u16, 8, 7, 9, 65535]);
            put(&mut packet, transport + 4, &value.to_be_bytes());
        }
        17 if random.one_in(2) => packet = error_about(random, packet, place),
        _ => noise(random, &mut packet),
    }
    packet
}

fn address(random: &mut Random, family: u8, world: &World) -> Vec<u8> {
    let names: Vec<_> = World::names().collect();
    world.octets(random.pick(&names), family)
}

/// Source and destination change their places, of ports, too.
fn swap(packet: &mut [u8], place: &Read) {
    let half = (place.addresses[1] - place.addresses[0]) / 2;
    let turned = [place.destination(packet), place.source(packet)].concat();
    debug_assert_eq!(turned.len(), 2 * half);
    put(packet, place.addresses[0], &turned);
    if let Some(ends) = place.ends(packet) {
        let [source, destination] = ends.ports;
        let turned = [destination.to_be_bytes(), source.to_be_bytes()].concat();
        put(packet, place.transport, &turned);
    }
}

/// An option of IPv4, or an extension header of IPv6, behind the IP header.
fn with_extra_header(random: &mut Random, mut packet: Vec<u8>, place: &Read) -> Vec<u8> {
    let header = if place.family == 4 {
        place.transport
    } else {
        40
    };
    if packet.len() < header {
        return packet;
    }
    let rest = packet.split_off(header);
    if place.family == 4 {
        if packet[0] & 15 < 15 {
            packet[0] += 1;
            let kind = random.pick(&[0, 1, 7, 68, 82, 131, 137, 148, 255]);
            packet.extend([kind, random.pick(&[0, 1, 2, 3, 4, 40]), 4, 0]);
        }
    } else {
        let kind = random.pick(&[0, 43, 44, 51, 60, 135, 139]);
        let length = random.pick(&[0, 0, 0, 1, 4, 255]);
        packet.extend([
            packet[6],
            length,
            random.pick(&[0, 1, 4]),
            random.pick(&[0, 0, 1]),
            0,
            0,
            0,
            0,
        ]);
        packet[6] = kind;
    }
    packet.extend(rest);
    packet
}

/// An ICMP error to the sender of the packet, from whom it was sent to.
fn error_about(random: &mut Random, packet: Vec<u8>, place: &Read) -> Vec<u8> {
    let turned = [place.destination(&packet), place.source(&packet)].concat();
    let kind = random.pick(&[3, 3, 11, 12, 4, 5, 1, 2, 0, 100]);
    let mut error = match place.family {
        4 => [&[0x45, 0, 0, 0, 0, 1, 0, 0, 64, 1, 0, 0], &turned[..]].concat(),
        _ => [&[0x60, 0, 0, 0, 0, 0, 58, 64], &turned[..]].concat(),
    };
    error.extend([kind, random.below(6) as u8, 0, 0, 0, 0, 5, 0]);
    error.extend(packet);
    error.truncate(1200);
    error
}

fn fill_lengths(packet: &mut [u8]) {
    let length = packet.len();
    match packet.first().map(|first| first >> 4) {
        Some(4) => put(packet, 2, &(length as u16).to_be_bytes()),
        Some(6) => put(packet, 4, &(length.saturating_sub(40) as u16).to_be_bytes()),
        _ => (),
    }
}

/// Those of the packet inside an error, too.
fn fill_checksums(packet: &mut [u8], depth: usize) {
    let Some(place) = read(packet) else {
        return;
    };
    if let Some(quote) = place
        .quote(packet)
        .filter(|quote| *quote < packet.len() && depth < 3)
    {
        fill_checksums(&mut packet[quote..], depth + 1);
    }
    if place.family == 4 {
        packet[10..12].fill(0);
        let check = !sum(&[&packet[..place.transport]]);
        packet[10..12].copy_from_slice(&check.to_be_bytes());
    }
    let Some(check) = place
        .check()
        .filter(|check| check + 2 <= place.end && !place.fragment)
    else {
        return;
    };
    packet[check..check + 2].fill(0);
    let segment = &packet[place.transport..place.end];
    let above = match (place.family, place.protocol) {
        (4, 1) => 0,
        _ => pseudo(place.addresses(packet), place.protocol, segment.len()),
    };
    let right = match !sum(&[&above.to_be_bytes(), segment]) {
        0 => 0xffff,
        right => right,
    };
    packet[check..check + 2].copy_from_slice(&right.to_be_bytes());
}
