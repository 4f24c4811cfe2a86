// SPDX-License-Identifier: GPL-2.0-only
//! Layers to bytes. What a layer does not say is as it should be: lengths, checksums, and
//! the protocol of what follows.

use std::net::IpAddr;

use crate::layer::{Layer, hex, number};
use crate::sum::{add, crc32c, pseudo, sum};
use crate::world::World;

pub const ETHERNET: usize = 14;

/// The part of a header that the checksums of inner layers cover.
#[derive(Clone, Default)]
struct Around {
    /// Both addresses, as they are in the header.
    addresses: Vec<u8>,
}

/// The frame, from one MAC address to another.
pub fn frame(layers: &[Layer], world: &World, [to, from]: [[u8; 6]; 2]) -> Result<Vec<u8>, String> {
    let (ether, mut rest) = match layers.split_first() {
        Some((first, rest)) if first.name == "ether" => (Some(first), rest),
        _ => (None, layers),
    };
    let to = match ether.and_then(|ether| ether.key("to")) {
        None => to,
        Some("other") => [2, 0xee, 0xee, 0xee, 0xee, 0xee],
        Some("broadcast") => [0xff; 6],
        Some("multicast") => [1, 0, 0x5e, 0, 0, 1],
        Some(other) => return Err(format!("`to={other}` is not a receiver")),
    };
    let mut bytes = [to, from].concat();
    while let Some((vlan, inner)) = rest.split_first().filter(|(first, _)| first.name == "vlan") {
        bytes.extend(word(vlan.number("type", 0x8100)?));
        bytes.extend(word(number(&vlan.words[0])?));
        rest = inner;
    }
    let (kind, payload) = network(rest, world)?;
    let kind = ether.map_or(Ok(kind), |ether| ether.number("type", kind))?;
    bytes.extend(word(kind));
    bytes.extend(payload);
    Ok(bytes)
}

/// The packet without its link-layer header.
pub fn packet(layers: &[Layer], world: &World) -> Result<Vec<u8>, String> {
    Ok(network(layers, world)?.1)
}

/// The Ethernet type, and the bytes.
fn network(layers: &[Layer], world: &World) -> Result<(u64, Vec<u8>), String> {
    let Some((first, rest)) = layers.split_first() else {
        return Ok((0x0800, Vec::new()));
    };
    match first.name.as_str() {
        "ip4" => Ok((0x0800, ip4(first, rest, world)?)),
        "ip6" => Ok((0x86dd, ip6(first, rest, world)?)),
        _ => Ok((0x88b5, inner(layers, world, &Around::default())?.1)),
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

fn around(layer: &Layer, world: &World, family: u8) -> Result<Around, String> {
    let ends = [&layer.words[0], &layer.words[2]];
    let mut addresses = Vec::new();
    for end in ends {
        addresses.extend(octets(world.address(end, family)?));
    }
    Ok(Around { addresses })
}

fn word(value: u64) -> [u8; 2] {
    (value as u16).to_be_bytes()
}

/// Cuts the packet short, or appends bytes that are not part of it.
fn cut(layer: &Layer, mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let length = layer.number("cut", bytes.len() as u64)?;
    bytes.truncate(length as usize);
    let length = bytes.len() as u64 + layer.number("pad", 0)?;
    bytes.resize(length as usize, 0xee);
    Ok(bytes)
}

fn ip4(layer: &Layer, rest: &[Layer], world: &World) -> Result<Vec<u8>, String> {
    let around = around(layer, world, 4)?;
    let (protocol, payload) = inner(rest, world, &around)?;
    let mut options = layer.bytes("options")?;
    options.resize(options.len().next_multiple_of(4), 0);
    let header = 20 + options.len();
    let ihl = layer.number("ihl", header as u64 / 4)?;
    let mut bytes = vec![(layer.number("version", 4)? << 4 | ihl & 15) as u8];
    bytes.push(layer.number("tos", 0)? as u8);
    bytes.extend(word(layer.length(header + payload.len())?));
    bytes.extend(word(layer.number("id", world.id.into())?));
    let flags = [("evil", 15), ("df", 14), ("more", 13)];
    let mut fragment = layer.number("fragment", 0)?;
    for (flag, bit) in flags {
        fragment |= layer.number(flag, 0)? << bit;
    }
    bytes.extend(word(fragment));
    bytes.push(layer.number("ttl", 64)? as u8);
    bytes.push(layer.number("protocol", protocol.into())? as u8);
    bytes.extend([0, 0]);
    bytes.extend(&around.addresses);
    bytes.extend(options);
    let right = !sum(&[&bytes]);
    bytes[10..12].copy_from_slice(&check(layer, right, 0)?);
    bytes.extend(payload);
    cut(layer, bytes)
}

fn ip6(layer: &Layer, rest: &[Layer], world: &World) -> Result<Vec<u8>, String> {
    let around = around(layer, world, 6)?;
    let (next, payload) = inner(rest, world, &around)?;
    let first = layer.number("version", 6)? << 28
        | layer.number("class", 0)? << 20
        | layer.number("flow", 0)?;
    let mut bytes = (first as u32).to_be_bytes().to_vec();
    bytes.extend(word(layer.length(payload.len())?));
    bytes.push(layer.number("next", next.into())? as u8);
    bytes.push(layer.number("hops", 64)? as u8);
    bytes.extend(&around.addresses);
    bytes.extend(payload);
    cut(layer, bytes)
}

/// The number of the protocol, and the bytes from there on.
fn inner(layers: &[Layer], world: &World, around: &Around) -> Result<(u8, Vec<u8>), String> {
    let Some((first, rest)) = layers.split_first() else {
        return Ok((59, Vec::new()));
    };
    let first_name = first.name.as_str();
    Ok(match first_name {
        "ip4" => (4, ip4(first, rest, world)?),
        "ip6" => (41, ip6(first, rest, world)?),
        "hop" => (0, extension(first, rest, world, around)?),
        "dest" => (60, extension(first, rest, world, around)?),
        "routing" => (43, extension(first, rest, world, around)?),
        "fragment" => (44, extension(first, rest, world, around)?),
        "auth" => (51, extension(first, rest, world, around)?),
        "mobility" => (135, extension(first, rest, world, around)?),
        "udp" => (17, udp(first, rest, world, around)?),
        "tcp" => (6, tcp(first, rest, world, around)?),
        "sctp" => (132, sctp(first, rest, world, around)?),
        "icmp4" | "icmp6" => icmp(first, rest, world, around)?,
        "chunk" => {
            let (_, payload) = inner(rest, world, around)?;
            let mut bytes = vec![
                number(&first.words[0])? as u8,
                first.number("flags", 0)? as u8,
            ];
            bytes.extend(word(first.length(4 + payload.len())?));
            (59, [bytes, payload].concat())
        }
        "data" => (59, first.words[0].clone().into_bytes()),
        "bytes" => {
            let count = number(&first.words[0])?;
            (59, (0..count).map(|at| (at % 251) as u8).collect())
        }
        "hex" => (59, hex(&first.words.concat())?),
        other => return Err(format!("`{other}` cannot be here")),
    })
    .and_then(|(protocol, bytes)| match first_name {
        "data" | "bytes" | "hex" if !rest.is_empty() => {
            let (_, more) = inner(rest, world, around)?;
            Ok((protocol, [bytes, more].concat()))
        }
        _ => Ok((protocol, bytes)),
    })
}

/// An extension header of IPv6 (RFC 8200, 4302, 6275).
fn extension(
    layer: &Layer,
    rest: &[Layer],
    world: &World,
    around: &Around,
) -> Result<Vec<u8>, String> {
    let (next, payload) = inner(rest, world, around)?;
    let next = layer.number("next", next.into())? as u8;
    let mut bytes = match layer.name.as_str() {
        "fragment" => {
            let offset = layer.number("offset", 0)? << 3 | layer.number("more", 0)?;
            let mut bytes = vec![next, layer.number("reserved", 0)? as u8];
            bytes.extend(word(offset));
            bytes.extend((layer.number("id", world.id.into())? as u32).to_be_bytes());
            bytes
        }
        "auth" => {
            let mut bytes = vec![next, layer.number("length", 2)? as u8];
            bytes.resize(16, 0x11);
            bytes
        }
        "routing" => {
            let mut bytes = vec![next, layer.number("length", 0)? as u8];
            bytes.push(layer.number("type", 0)? as u8);
            bytes.push(layer.number("left", 0)? as u8);
            bytes.resize(8, 0);
            bytes
        }
        "mobility" => vec![next, layer.number("length", 0)? as u8, 0, 0, 0, 0, 0, 0],
        _ => {
            let mut options = layer.bytes("options")?;
            let room = (2 + options.len()).next_multiple_of(8) - 2 - options.len();
            match room {
                0 => (),
                1 => options.push(0),
                _ => {
                    options.extend([1, room as u8 - 2]);
                    options.resize(options.len() + room - 2, 0);
                }
            }
            let words = (2 + options.len()) as u64 / 8 - 1;
            let mut bytes = vec![next, layer.number("length", words)? as u8];
            bytes.extend(options);
            bytes
        }
    };
    bytes.extend(payload);
    Ok(bytes)
}

fn ports(layer: &Layer, world: &World) -> Result<Vec<u8>, String> {
    let ports = [&layer.words[0], &layer.words[2]];
    let mut bytes = Vec::new();
    for port in ports {
        bytes.extend(world.port(port)?.to_be_bytes());
    }
    Ok(bytes)
}

/// `checksum=`: right, wrong, zero, partial (as a device has yet to finish it), or a number.
/// A wrong one is wrong by one, so it stays so under translation.
fn check(layer: &Layer, right: u16, pseudo: u16) -> Result<[u8; 2], String> {
    Ok(match layer.key("checksum") {
        None | Some("right") => right,
        Some("wrong") => add(right, 1),
        Some("zero") => 0,
        Some("partial") => pseudo,
        Some(text) => number(text)? as u16,
    }
    .to_be_bytes())
}

fn udp(layer: &Layer, rest: &[Layer], world: &World, around: &Around) -> Result<Vec<u8>, String> {
    let (_, payload) = inner(rest, world, around)?;
    let mut bytes = ports(layer, world)?;
    bytes.extend(word(layer.length(8 + payload.len())?));
    bytes.extend([0, 0]);
    bytes.extend(payload);
    let pseudo = pseudo(&around.addresses, 17, bytes.len());
    if layer.key("balance").is_some() {
        let first = bytes.get_mut(8..10).ok_or("no bytes to balance with")?;
        first.fill(0);
        let missing = !add(pseudo, sum(&[&bytes]));
        bytes[8..10].copy_from_slice(&missing.to_be_bytes());
    }
    let right = match !add(pseudo, sum(&[&bytes])) {
        0 => 0xffff,
        right => right,
    };
    bytes[6..8].copy_from_slice(&check(layer, right, pseudo)?);
    Ok(bytes)
}

/// The bits of these letters in a TCP header.
fn flags(text: &str) -> Result<u8, String> {
    let bit = |letter| {
        "FSRPAUEC"
            .find(letter)
            .ok_or_else(|| format!("`{letter}` is not a flag of TCP"))
    };
    text.chars()
        .filter(|letter| *letter != '-')
        .try_fold(0, |flags, letter| Ok(flags | 1 << bit(letter)?))
}

fn tcp(layer: &Layer, rest: &[Layer], world: &World, around: &Around) -> Result<Vec<u8>, String> {
    let (_, payload) = inner(rest, world, around)?;
    let mut options = layer.bytes("options")?;
    options.resize(options.len().next_multiple_of(4), 0);
    let mut bytes = ports(layer, world)?;
    bytes.extend((layer.number("seq", 1001)? as u32).to_be_bytes());
    bytes.extend((layer.number("ack", 2001)? as u32).to_be_bytes());
    let offset = layer.number("offset", (20 + options.len() as u64) / 4)?;
    bytes.push((offset << 4 | layer.number("reserved", 0)?) as u8);
    bytes.push(flags(layer.key("flags").unwrap_or("A"))?);
    bytes.extend(word(layer.number("window", 8192)?));
    bytes.extend([0, 0]);
    bytes.extend(word(layer.number("urgent", 0)?));
    bytes.extend(options);
    bytes.extend(payload);
    let pseudo = pseudo(&around.addresses, 6, bytes.len());
    let right = !add(pseudo, sum(&[&bytes]));
    bytes[16..18].copy_from_slice(&check(layer, right, pseudo)?);
    Ok(bytes)
}

fn sctp(layer: &Layer, rest: &[Layer], world: &World, around: &Around) -> Result<Vec<u8>, String> {
    let (_, payload) = inner(rest, world, around)?;
    let mut bytes = ports(layer, world)?;
    bytes.extend((layer.number("tag", 0)? as u32).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    let mut check = crc32c(&bytes);
    match layer.key("checksum") {
        None => (),
        Some("wrong") => check[0] ^= 1,
        Some("zero") => check = [0; 4],
        Some(other) => return Err(format!("`checksum={other}` is not one of SCTP")),
    }
    bytes[8..12].copy_from_slice(&check);
    Ok(bytes)
}

/// An ICMP message. The packet that an error is about follows, cut to `quote` bytes.
fn icmp(
    layer: &Layer,
    rest: &[Layer],
    world: &World,
    around: &Around,
) -> Result<(u8, Vec<u8>), String> {
    let (_, mut quote) = inner(rest, world, around)?;
    quote.truncate(layer.number("quote", u64::MAX)? as usize);
    let mut bytes = vec![
        number(&layer.words[0])? as u8,
        number(&layer.words[1])? as u8,
        0,
        0,
    ];
    let mut rest = layer.bytes("rest")?;
    rest.resize(4, 0);
    bytes.extend(rest);
    bytes.extend(quote);
    let four = layer.name == "icmp4";
    let protocol = if four { 1 } else { 58 };
    let pseudo = match four {
        true => 0,
        false => pseudo(&around.addresses, 58, bytes.len()),
    };
    let right = !add(pseudo, sum(&[&bytes]));
    bytes[2..4].copy_from_slice(&check(layer, right, pseudo)?);
    Ok((protocol, bytes))
}
