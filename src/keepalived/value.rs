// SPDX-License-Identifier: GPL-2.0-only
//! The words of keepalived.conf that are numbers, addresses and forwarding methods.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::tree::{Entry, Word};
use crate::config::diagnostics::{Mistake, Mistakes, Span};
use crate::config::spelling::quoted;
use crate::model::{Forward, Tunnel, TunnelChecksum};

/// The most addresses of a range. A range varies the last part of an address.
const LONGEST_RANGE: u32 = 256;

/// The first word after the keyword.
pub(super) fn first_word<'e>(entry: &'e Entry, mistakes: &Mistakes) -> Option<&'e Word> {
    let value = entry.values().first();
    if value.is_none() {
        mistakes.add(Mistake::new(
            &entry.span(),
            format!("{} has no value", entry.keyword()),
            "write one after it, or remove the line",
        ));
    }
    value
}

pub(super) fn number(
    word: &Word,
    what: &str,
    range: RangeInclusive<u32>,
    mistakes: &Mistakes,
) -> Option<u32> {
    let number = word.text.parse().ok();
    let number = number.filter(|number| range.contains(number));
    if number.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is not a valid {what}", quoted(&word.text)),
            format!("write {} to {}", range.start(), range.end()),
        ));
    }
    number
}

/// The address of a word, which keepalived accepts in brackets or with a prefix length.
pub(super) fn address(word: &Word, mistakes: &Mistakes) -> Option<IpAddr> {
    let text = word.text.split('/').next().unwrap_or_default();
    let text = text.trim_start_matches('[').trim_end_matches(']');
    let address = text.parse().ok();
    if address.is_none() {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is not a valid address", quoted(&word.text)),
            "write an IPv4 or IPv6 address: names are not looked up",
        ));
    }
    address
}

pub(super) fn port(word: &Word, mistakes: &Mistakes) -> Option<u16> {
    number(word, "port", 0..=u32::from(u16::MAX), mistakes)?
        .try_into()
        .ok()
}

/// The addresses of `10.0.0.1-9 80` or `10.0.0.1 80`. Without a port it is 0.
pub(super) fn addresses(words: &[Word], mistakes: &Mistakes) -> Vec<SocketAddr> {
    let Some(word) = words.first() else {
        return Vec::new();
    };
    let port = match words.get(1) {
        Some(word) => port(word, mistakes),
        None => Some(0),
    };
    let (first, last) = match word.text.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (word.text.as_str(), None),
    };
    let first = Word {
        text: first.to_owned(),
        span: word.span.clone(),
    };
    let (Some(port), Some(first)) = (port, address(&first, mistakes)) else {
        return Vec::new();
    };
    let Some(last) = last else {
        return vec![SocketAddr::new(first, port)];
    };
    let Some(range) = range(first, last) else {
        mistakes.add(Mistake::new(
            &word.span,
            format!("{} is not a valid range of addresses", quoted(&word.text)),
            format!(
                "write the last part of the last address after `-`; a range has at most \
                 {LONGEST_RANGE} addresses"
            ),
        ));
        return Vec::new();
    };
    range.map(|ip| SocketAddr::new(ip, port)).collect()
}

/// The addresses whose last parts follow each other. IPv6 parts are hexadecimal.
fn range(first: IpAddr, last: &str) -> Option<impl Iterator<Item = IpAddr>> {
    let (begin, end) = match first {
        IpAddr::V4(ip) => {
            let [.., part] = ip.octets();
            (u32::from(part), last.parse::<u8>().ok()?.into())
        }
        IpAddr::V6(ip) => {
            let [.., part] = ip.segments();
            (u32::from(part), u16::from_str_radix(last, 16).ok()?.into())
        }
    };
    let count = u32::checked_sub(end, begin)?;
    (count < LONGEST_RANGE).then_some(())?;
    Some((0..=count).map(move |more| match first {
        IpAddr::V4(ip) => IpAddr::V4((ip.to_bits() + more).into()),
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() + u128::from(more)).into()),
    }))
}

/// Reads `lb_kind` and `lvs_method`: `NAT`, `DR`, or `TUN` with the kind of tunnel.
pub(super) fn forward(entry: &Entry, mistakes: &Mistakes) -> Option<Forward> {
    let word = first_word(entry, mistakes)?;
    match word.text.as_str() {
        "NAT" => Some(Forward::Masq),
        "DR" => Some(Forward::Route),
        "TUN" => tunnel(&word.span, entry.values().get(1..)?, mistakes).map(Forward::Tunnel),
        _ => {
            mistakes.add(Mistake::new(
                &word.span,
                format!("{} is not a valid forwarding method", quoted(&word.text)),
                "write NAT, DR or TUN",
            ));
            None
        }
    }
}

/// Reads `type gue port 5555 csum` after `TUN`.
fn tunnel(tun: &Span, words: &[Word], mistakes: &Mistakes) -> Option<Tunnel> {
    let mut kind = "ipip";
    let mut gue_port = None;
    let mut checksum = TunnelChecksum::None;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "type" => kind = words.next().map_or("", |kind| &kind.text),
            // A port that is missing is unclear, as below. A wrong one was reported.
            "port" => match words.next() {
                Some(word) => gue_port = Some(port(word, mistakes)?),
                None => kind = "",
            },
            "nocsum" => checksum = TunnelChecksum::None,
            "csum" => checksum = TunnelChecksum::Full,
            "remcsum" => checksum = TunnelChecksum::Remote,
            // An older form has the kind alone.
            "ipip" | "gue" | "gre" => kind = &word.text,
            _ => kind = "",
        }
    }
    match (kind, gue_port) {
        ("ipip", _) => Some(Tunnel::Ipip),
        ("gre", _) => Some(Tunnel::Gre { checksum }),
        ("gue", Some(port)) => Some(Tunnel::Gue { port, checksum }),
        _ => {
            mistakes.add(Mistake::new(
                tun,
                "the kind of this tunnel is not clear",
                "write `TUN type ipip`, `TUN type gre` or `TUN type gue port PORT`",
            ));
            None
        }
    }
}
