// SPDX-License-Identifier: GPL-2.0-only
//! The table `[[service.server]]`.

use std::net::SocketAddr;

use super::defaults::Defaults;
use super::diagnostics::{Mistake, Mistakes, Span};
use super::reader::{Invalid, Section, form, literal, string};
use super::spelling::{meant, quoted};
use super::synonyms;
use crate::model::{Forward, Server, Tunnel, TunnelChecksum};

/// The kernel keeps a weight in an `int` and compares thresholds with one
/// (ip_vs_ctl.c, ip_vs_add_dest()).
const MOST: i64 = i32::MAX as i64;
/// The default of `weight`.
pub(super) const WEIGHT: u32 = 1;

/// A server, with the places of its parts.
#[derive(Clone, Debug)]
pub(super) struct ServerEntry {
    pub address: Option<(SocketAddr, Span)>,
    /// The forwarding method.
    /// `None`: the text was not a method, so the checks that depend on it are
    /// skipped.
    pub forward: Option<(Forward, Span)>,
    pub weight: u32,
    pub upper_threshold: u32,
    pub lower_threshold: u32,
}

impl ServerEntry {
    /// Returns a server with default settings. The caller adds the address.
    pub fn plain(place: Span, defaults: &Defaults) -> Self {
        let (method, span) = default_method(defaults, &place);
        ServerEntry {
            address: None,
            forward: by_method(method, None).map(|forward| (forward, span)),
            weight: defaults.weight.unwrap_or(WEIGHT),
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }

    pub fn server(&self) -> Server {
        let forward = self.forward.as_ref().map(|(forward, _)| forward.clone());
        Server {
            weight: self.weight,
            forward: forward.unwrap_or(Forward::Masq),
            upper_threshold: self.upper_threshold,
            lower_threshold: self.lower_threshold,
        }
    }
}

/// Returns the address, which `address` parses, and the settings without the
/// address.
pub(super) fn read<T>(
    section: Section,
    defaults: &Defaults,
    address: impl Fn(&str) -> Result<T, Invalid>,
) -> (Option<(T, Span)>, ServerEntry) {
    const WHAT: &str = "address of a server";
    let value = section.require("address", "`address = \"10.2.0.2:8080\"`");
    let address = value.and_then(|value| form(value, "address", WHAT, address, section.mistakes));
    let number = |key| {
        let (number, span) = section.integer(key, 0, MOST)?;
        Some((u32::try_from(number).ok()?, span))
    };
    let weight = weight(&section).or(defaults.weight).unwrap_or(WEIGHT);
    let upper = number("upper_threshold");
    let lower = number("lower_threshold");
    if let Some((lower, span)) = &lower {
        let help = match &upper {
            None if *lower > 0 => {
                Some("add `upper_threshold`: the lower one has no effect without it".to_owned())
            }
            Some((0, _)) if *lower > 0 => {
                Some("an upper threshold of 0 is not a limit: remove the lower one".to_owned())
            }
            Some((upper, _)) if lower > upper => {
                Some(format!("the lower threshold is at most {upper}"))
            }
            _ => None,
        };
        if let Some(help) = help {
            let mistake = Mistake::new(span, "`lower_threshold` is above `upper_threshold`", help);
            section.mistakes.add(match &upper {
                Some((_, span)) => mistake.see(span, "the upper one"),
                None => mistake,
            });
        }
    }
    let forward = forward(&section, defaults);
    section.finish();
    let server = ServerEntry {
        address: None,
        forward,
        weight,
        upper_threshold: upper.map_or(0, |(upper, _)| upper),
        lower_threshold: lower.map_or(0, |(lower, _)| lower),
    };
    (address, server)
}

pub(super) fn weight(section: &Section) -> Option<u32> {
    let (weight, _) = section.integer("weight", 0, MOST)?;
    u32::try_from(weight).ok()
}

fn forward(section: &Section, defaults: &Defaults) -> Option<(Forward, Span)> {
    let described = section.section("tunnel", "`tunnel`");
    let tunnel_span = described.as_ref().map(|section| section.span.clone());
    let tunnel = described.map(tunnel);
    let (method, span) = match section.take("forward") {
        None => default_method(defaults, &section.span),
        Some(value) => string(value, "forward", section.mistakes)?,
    };
    let Some(forward) = by_method(method, tunnel) else {
        section.mistakes.add(unknown_method(method, &span));
        return None;
    };
    if let Some(tunnel_span) = tunnel_span
        && !matches!(forward, Forward::Tunnel(_))
    {
        section.mistakes.add(Mistake::new(
            &tunnel_span,
            "a tunnel is described, but the server is not reached through it",
            "write `forward = \"tunnel\"`, or remove `tunnel`",
        ));
        return None;
    }
    Some((forward, span))
}

/// Returns the default method. `place`: the place of a server that sets no
/// method.
fn default_method<'d>(defaults: &'d Defaults, place: &Span) -> (&'d str, Span) {
    match &defaults.forward {
        Some((method, span)) => (method, span.clone()),
        None => ("masq", place.clone()),
    }
}

/// Returns the method of that name.
/// `None`: the name is not a method.
fn by_method(method: &str, tunnel: Option<Tunnel>) -> Option<Forward> {
    match method {
        "masq" => Some(Forward::Masq),
        "route" => Some(Forward::Route),
        "tunnel" => Some(Forward::Tunnel(tunnel.unwrap_or(Tunnel::Ipip))),
        _ => None,
    }
}

/// Returns true if the name is a method; otherwise reports the mistake.
pub(super) fn is_method(method: &str, span: &Span, mistakes: &Mistakes) -> bool {
    let is_method = by_method(method, None).is_some();
    if !is_method {
        mistakes.add(unknown_method(method, span));
    }
    is_method
}

fn unknown_method(method: &str, span: &Span) -> Mistake {
    const METHODS: [&str; 3] = ["masq", "route", "tunnel"];
    let message = format!("{} is not a forwarding method", quoted(method));
    match synonyms::forward(method) {
        Some("masq") => {
            let help = "write \"masq\"; with `snat = \"POOL\"` in its service it is full NAT";
            Mistake::new(span, message, help).fix(span, literal("masq"))
        }
        Some(meant) => Mistake::new(span, message, format!("did you mean \"{meant}\"?"))
            .fix(span, literal(meant)),
        None => Mistake::new(span, message, meant(method, METHODS)),
    }
}

fn tunnel(section: Section) -> Tunnel {
    const TYPES: [&str; 3] = ["ipip", "gue", "gre"];
    const CHECKSUMS: [&str; 3] = ["none", "full", "remote"];
    let mistakes = section.mistakes;
    let unknown = |text, span, what, known: [&'static str; 3]| {
        mistakes.add(Mistake::new(
            span,
            format!("{} is not a valid {what}", quoted(text)),
            meant(text, known),
        ));
    };
    let checksum = section.string("checksum");
    let flag = match &checksum {
        None | Some(("none", _)) => TunnelChecksum::None,
        Some(("full", _)) => TunnelChecksum::Full,
        Some(("remote", _)) => TunnelChecksum::Remote,
        Some((text, span)) => {
            unknown(text, span, "checksum of a tunnel", CHECKSUMS);
            TunnelChecksum::None
        }
    };
    let port = section.take("port");
    let number = port.and_then(|value| {
        let (port, _) = super::reader::integer(value, "port", 1, 65_535, mistakes)?;
        u16::try_from(port).ok()
    });
    let kind = section
        .require("type", "`type = \"ipip\"`, or gue or gre")
        .and_then(|value| string(value, "type", mistakes));
    let useless = |what: &str, span: &Span| {
        mistakes.add(Mistake::new(
            span,
            format!("such a tunnel has no {what}"),
            "remove it",
        ));
    };
    let tunnel = match &kind {
        None => Tunnel::Ipip,
        Some(("gue", _)) => {
            if port.is_none() {
                section.require("port", "`port = 6080`: the UDP port of the server");
            }
            Tunnel::Gue {
                port: number.unwrap_or_default(),
                checksum: flag,
            }
        }
        Some((text, span)) => {
            if !TYPES.contains(text) {
                unknown(text, span, "type of tunnel", TYPES);
            } else if let Some(port) = port {
                useless("port", &port.span());
            }
            match (*text, &checksum) {
                ("gre", Some(("remote", span))) => useless("remote checksum", span),
                ("ipip", Some((_, span))) => useless("checksum", span),
                _ => {}
            }
            match *text {
                "gre" => Tunnel::Gre { checksum: flag },
                _ => Tunnel::Ipip,
            }
        }
    };
    section.finish();
    tunnel
}
