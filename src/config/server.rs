// SPDX-License-Identifier: GPL-2.0-only
//! `[[service.server]]`.

use std::net::SocketAddr;

use super::diagnostics::{Mistake, Span};
use super::reader::Section;
use super::value;
use crate::model::{Forward, Server, Tunnel, TunnelChecksum};

/// The kernel keeps a weight in an `int` (ip_vs_ctl.c).
const WEIGHT_MOST: i64 = i32::MAX as i64;
const WEIGHT: u32 = 1;

/// A server, and where its parts stand.
#[derive(Clone, Debug)]
pub(super) struct ServerEntry {
    pub address: Option<(SocketAddr, Span)>,
    pub server: Server,
    pub forward_span: Span,
}

pub(super) fn read(section: Section) -> ServerEntry {
    let address = section.require("address").and_then(|value| {
        let (text, span) = super::reader::string(value, section.mistakes)?;
        match value::socket(text) {
            Ok(address) => Some((address, span)),
            Err(why) => {
                section.mistakes.add(
                    Mistake::new(span, format!("`{text}` is no address of a server")).label(why),
                );
                None
            }
        }
    });
    let number = |key, most| {
        section
            .integer(key, 0, most)
            .and_then(|(number, _)| u32::try_from(number).ok())
    };
    let (forward, forward_span) = forward(&section);
    let server = Server {
        weight: number("weight", WEIGHT_MOST).unwrap_or(WEIGHT),
        forward,
        upper_threshold: number("upper_threshold", u32::MAX.into()).unwrap_or(0),
        lower_threshold: number("lower_threshold", u32::MAX.into()).unwrap_or(0),
    };
    if server.upper_threshold != 0 && server.lower_threshold > server.upper_threshold {
        section.mistakes.add(Mistake::new(
            section.span.clone(),
            format!(
                "lower_threshold {} is above upper_threshold {}",
                server.lower_threshold, server.upper_threshold
            ),
        ));
    }
    section.finish();
    ServerEntry {
        address,
        server,
        forward_span,
    }
}

fn forward(section: &Section) -> (Forward, Span) {
    let tunnel = section.section("tunnel", "a tunnel").map(tunnel);
    let Some((text, span)) = section.string("forward") else {
        return (Forward::Masq, section.span.clone());
    };
    let forward = match text {
        "masq" => Forward::Masq,
        "route" => Forward::Route,
        "tunnel" => Forward::Tunnel(tunnel.unwrap_or(Tunnel::Ipip)),
        _ => {
            section.mistakes.add(
                Mistake::new(span.clone(), format!("unknown forwarding method `{text}`"))
                    .label("must be masq, route or tunnel"),
            );
            Forward::Masq
        }
    };
    if tunnel.is_some() && !matches!(forward, Forward::Tunnel(_)) {
        section.mistakes.add(
            Mistake::new(span.clone(), "a tunnel is described, but not used")
                .label("would be \"tunnel\""),
        );
    }
    (forward, span)
}

fn tunnel(section: Section) -> Tunnel {
    let checksum = match section.string("checksum") {
        None => TunnelChecksum::None,
        Some(("none", _)) => TunnelChecksum::None,
        Some(("full", _)) => TunnelChecksum::Full,
        Some(("remote", _)) => TunnelChecksum::Remote,
        Some((text, span)) => {
            section.mistakes.add(
                Mistake::new(span, format!("unknown checksum `{text}`"))
                    .label("must be none, full or remote"),
            );
            TunnelChecksum::None
        }
    };
    let port = section.integer("port", 1, 65535);
    let kind = section.require("type").and_then(|value| {
        let (text, span) = super::reader::string(value, section.mistakes)?;
        if !["ipip", "gue", "gre"].contains(&text) {
            section.mistakes.add(
                Mistake::new(span, format!("unknown type of tunnel `{text}`"))
                    .label("must be ipip, gue or gre"),
            );
            return None;
        }
        Some(text)
    });
    if kind == Some("gue") && port.is_none() {
        section.mistakes.add(Mistake::new(
            section.span.clone(),
            "a gue tunnel needs a `port`",
        ));
    }
    let tunnel = match kind {
        Some("gue") => Tunnel::Gue {
            port: port
                .and_then(|(port, _)| u16::try_from(port).ok())
                .unwrap_or_default(),
            checksum,
        },
        Some("gre") => Tunnel::Gre { checksum },
        _ => Tunnel::Ipip,
    };
    section.finish();
    tunnel
}
