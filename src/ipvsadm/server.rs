// SPDX-License-Identifier: GPL-2.0-only
//! Parses the server of a line.

use std::net::SocketAddr;

use super::address;
use super::command::{Command, FORWARD};
use super::names::Names;
use crate::config::diagnostics::{Mistake, Mistakes};
use crate::config::spelling::{meant, quoted};
use crate::model::{Family, Forward, Protocol, Server, ServiceKey, Tunnel, TunnelChecksum};

/// The kernel keeps weights and thresholds in an `int`.
const MOST: u32 = i32::MAX.cast_unsigned();
const TUNNELS: [&str; 3] = ["ipip", "gue", "gre"];
const CHECKSUMS: [&str; 3] = ["tun-nocsum", "tun-csum", "tun-remcsum"];

/// Parses a server. `key`: the key of its service, if it is known.
/// `None`: the address is wrong.
pub(super) fn server(
    command: &Command,
    key: Option<&ServiceKey>,
    names: &Names,
    mistakes: &Mistakes,
) -> Option<(SocketAddr, Server)> {
    let number = |name, default| {
        let word = command.value(name)?;
        Some(address::number(word, 0, MOST, mistakes).unwrap_or(default))
    };
    let server = Server {
        weight: number("weight", 1).unwrap_or(1),
        forward: forward(command, mistakes),
        upper_threshold: number("u-threshold", 0).unwrap_or(0),
        lower_threshold: number("l-threshold", 0).unwrap_or(0),
    };
    let address = address(command, key, &server.forward, names, mistakes)?;
    Some((address, server))
}

/// Parses the address. Without masquerading, a server has the port of its
/// service.
fn address(
    command: &Command,
    key: Option<&ServiceKey>,
    forward: &Forward,
    names: &Names,
    mistakes: &Mistakes,
) -> Option<SocketAddr> {
    let Some(word) = command.value("real-server") else {
        mistakes.add(Mistake::new(
            &command.span,
            "the line names no server",
            "name it: -r ADDRESS:PORT",
        ));
        return None;
    };
    let (protocol, vip_port) = match key {
        Some(ServiceKey::Address { protocol, address }) => (*protocol, Some(address.port())),
        // In this case ipvsadm looks up port names as TCP ports.
        Some(ServiceKey::Fwmark { .. }) | None => (Protocol::Tcp, None),
    };
    let (host, port) = address::host_and_port(word, protocol, names, mistakes)?;
    if let Some(key) = key
        && Family::of(host) != key.family()
        && !matches!(forward, Forward::Tunnel(_))
    {
        mistakes.add(Mistake::new(
            &word.span,
            format!(
                "{key} is {}, but its server {host} is {}",
                key.family(),
                Family::of(host)
            ),
            "only a tunnel (-i) leads to a server of the other family",
        ));
        return None;
    }
    let port = match (forward, vip_port) {
        (Forward::Route | Forward::Tunnel(_), Some(vip_port)) => vip_port,
        (_, vip_port) => port.or(vip_port).unwrap_or(0),
    };
    Some(SocketAddr::new(host, port))
}

fn forward(command: &Command, mistakes: &Mistakes) -> Forward {
    let given = command.one_of(&FORWARD);
    let options = CHECKSUMS.into_iter().chain(["tun-type", "tun-port"]);
    let forward = match given.map(|given| given.name) {
        Some("ipip") => return Forward::Tunnel(tunnel(command, mistakes)),
        Some("masquerading") => Forward::Masq,
        _ => Forward::Route,
    };
    for given in options.filter_map(|name| command.get(name)) {
        mistakes.add(Mistake::new(
            &given.span,
            format!("--{} is for tunnels", given.name),
            "remove it, or write --ipip (-i) too",
        ));
    }
    forward
}

fn tunnel(command: &Command, mistakes: &Mistakes) -> Tunnel {
    let port = command.value("tun-port").map(|word| {
        let port = address::number(word, 1, 65_535, mistakes);
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(1)
    });
    let flag = command.one_of(&CHECKSUMS);
    let checksum = match flag.map(|flag| flag.name) {
        Some("tun-csum") => TunnelChecksum::Full,
        Some("tun-remcsum") => TunnelChecksum::Remote,
        _ => TunnelChecksum::None,
    };
    let useless = |name: &str, kind: &str| {
        if let Some(given) = command.get(name) {
            mistakes.add(Mistake::new(
                &given.span,
                format!("a tunnel of type {kind} has no --{name}"),
                "remove it",
            ));
        }
    };
    let kind = command.value("tun-type");
    match kind.map_or("ipip", |word| word.text.as_str()) {
        "ipip" => {
            for name in CHECKSUMS.into_iter().chain(["tun-port"]) {
                useless(name, "ipip");
            }
            Tunnel::Ipip
        }
        "gre" => {
            useless("tun-port", "gre");
            useless("tun-remcsum", "gre");
            Tunnel::Gre {
                checksum: match checksum {
                    TunnelChecksum::Remote => TunnelChecksum::None,
                    other => other,
                },
            }
        }
        "gue" => {
            if port.is_none() {
                let span = kind.map_or(&command.span, |word| &word.span);
                mistakes.add(Mistake::new(
                    span,
                    "a tunnel of type gue needs a port",
                    "add --tun-port 6080: the UDP port of the server",
                ));
            }
            let port = port.unwrap_or(1);
            Tunnel::Gue { port, checksum }
        }
        text => {
            if let Some(word) = kind {
                mistakes.add(Mistake::new(
                    &word.span,
                    format!("{} is not a type of tunnel", quoted(text)),
                    meant(text, TUNNELS),
                ));
            }
            Tunnel::Ipip
        }
    }
}
