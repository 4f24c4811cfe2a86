// SPDX-License-Identifier: GPL-2.0-only
//! Takes packets apart into fragments, and puts them together.

use crate::build::ETHERNET;
use crate::read::word;
use crate::sum::sum;

/// Offset, whether more follow, and the packet.
type Piece = (usize, bool, Vec<u8>);

/// The header in front of the pieces, its length, and whether it is of IPv4.
fn header(packet: &[u8]) -> (usize, bool) {
    let four = packet[0] >> 4 == 4;
    (
        if four {
            usize::from(packet[0] & 15) * 4
        } else {
            40
        },
        four,
    )
}

/// The frame in pieces of that many bytes, in this order. Those of IPv4 have the
/// identification of the packet.
pub fn cut(frame: &[u8], size: usize, order: &[usize], id: u32) -> Vec<Vec<u8>> {
    let (ethernet, packet) = frame.split_at(ETHERNET);
    let (length, _) = header(packet);
    let (before, payload) = packet.split_at(length);
    let pieces: Vec<_> = payload.chunks(size).collect();
    let piece = |place: &usize| {
        let more = place + 1 < pieces.len();
        let packet = piece(before, pieces[*place], place * size, more, id);
        [ethernet, &packet].concat()
    };
    order.iter().map(piece).collect()
}

fn piece(header_: &[u8], data: &[u8], offset: usize, more: bool, id: u32) -> Vec<u8> {
    let mut bytes = header_.to_vec();
    if header(header_).1 {
        set(&mut bytes, 2, header_.len() + data.len());
        let flags = usize::from(word(header_, 6).expect("a header")) & 0xc000;
        set(
            &mut bytes,
            6,
            flags | (usize::from(more) << 13) | (offset / 8),
        );
        fill(&mut bytes);
    } else {
        set(&mut bytes, 4, 8 + data.len());
        bytes[6] = 44;
        bytes.extend([header_[6], 0]);
        bytes.extend(((offset | usize::from(more)) as u16).to_be_bytes());
        bytes.extend(id.to_be_bytes());
    }
    bytes.extend(data);
    bytes
}

fn set(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 2].copy_from_slice(&(value as u16).to_be_bytes());
}

fn fill(header: &mut [u8]) {
    set(header, 10, 0);
    let check = !sum(&[header]);
    set(header, 10, check.into());
}

/// Bytes that all pieces of one packet have in common, the offset, and if more follow.
fn place(packet: &[u8]) -> Option<(Vec<u8>, usize, bool)> {
    let (length, four) = header(packet);
    if four {
        let field = usize::from(word(packet, 6)?);
        let key = [&packet[4..6], &packet[9..10], &packet[12..20]].concat();
        return (field & 0x3fff != 0).then_some((key, (field & 0x1fff) * 8, field & 0x2000 != 0));
    }
    if packet.get(6) != Some(&44) || packet.len() < length + 8 {
        return None;
    }
    let field = usize::from(word(packet, 42)?);
    let key = [&packet[44..48], &packet[8..40]].concat();
    (field & 0xfff9 != 0).then_some((key, field & 0xfff8, field & 1 != 0))
}

/// The packet without an IPv6 fragment header that says nothing. The kernel takes one away when
/// it comes in, and puts one into a packet that came in fragments and leaves whole.
pub fn without_atomic(mut packet: Vec<u8>) -> Vec<u8> {
    let (mut name, mut at) = (6, 40);
    if packet.len() < 40 || packet[0] >> 4 != 6 {
        return packet;
    }
    while [0, 43, 44, 51, 60].contains(&packet[name]) && packet.len() >= at + 8 {
        if packet[name] == 44 {
            if word(&packet, at + 2).is_some_and(|field| field & 0xfff9 == 0) {
                packet[name] = packet[at];
                packet.drain(at..at + 8);
                let size = packet.len() - 40;
                set(&mut packet, 4, size);
            }
            return packet;
        }
        let length = usize::from(packet[at + 1]);
        let size = match packet[name] {
            51 => 4 * (length + 2),
            _ => 8 * (length + 1),
        };
        (name, at) = (at, at + size);
    }
    packet
}

/// The packets, with the pieces of each put together. Incomplete ones stay in pieces.
pub fn join(packets: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut whole = Vec::new();
    let mut pieces: Vec<(Vec<u8>, Vec<Piece>)> = Vec::new();
    for packet in packets {
        match place(&packet) {
            None => whole.push(without_atomic(packet)),
            Some((key, offset, more)) => {
                let found = pieces.iter_mut().find(|(other, _)| *other == key);
                match found {
                    Some((_, group)) => group.push((offset, more, packet)),
                    None => pieces.push((key, vec![(offset, more, packet)])),
                }
            }
        }
    }
    for (_, mut group) in pieces {
        group.sort_by_key(|(offset, ..)| *offset);
        match together(&group) {
            Some(packet) => whole.push(packet),
            None => whole.extend(group.into_iter().map(|(.., packet)| packet)),
        }
    }
    whole
}

fn together(group: &[Piece]) -> Option<Vec<u8>> {
    let (length, four) = header(&group[0].2);
    let mut bytes = group[0].2[..length].to_vec();
    for (number, (offset, more, packet)) in group.iter().enumerate() {
        let (own, _) = header(packet);
        let data = &packet[own + if four { 0 } else { 8 }..];
        if bytes.len() - length != *offset || *more == (number + 1 == group.len()) {
            return None;
        }
        bytes.extend(data);
    }
    let size = bytes.len();
    if four {
        set(&mut bytes, 2, size);
        let flags = usize::from(word(&bytes, 6)?) & 0xc000;
        set(&mut bytes, 6, flags);
        fill(&mut bytes[..length]);
    } else {
        set(&mut bytes, 4, size - 40);
        bytes[6] = group[0].2[40];
    }
    Some(bytes)
}
