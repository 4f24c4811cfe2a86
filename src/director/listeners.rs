// SPDX-License-Identifier: GPL-2.0-only
//! The addresses where this host itself listens for TCP (proc(5), /proc/net/tcp).

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::model::{Protocol, Rule, ServiceKey};

use super::LocalAddresses;

/// `TCP_LISTEN` (net/tcp_states.h), as the file prints it.
const LISTEN: &str = "0A";

/// The listening sockets of the caller's network namespace. A family that the kernel does
/// not have (IPv6) has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listeners(BTreeSet<SocketAddr>);

impl Listeners {
    pub fn observe() -> Self {
        let files = ["tcp", "tcp6"].map(|name| {
            let path = format!("/proc/thread-self/net/{name}");
            fs::read_to_string(path).unwrap_or_default()
        });
        Listeners::from_text(&files.concat())
    }

    fn from_text(text: &str) -> Self {
        Listeners(text.lines().filter_map(listener).collect())
    }

    /// The listeners that a rule covers and packets can reach. A socket bound to the
    /// unspecified address listens at every address of the host. One bound to `::` also
    /// takes IPv4, unless it is `IPV6_V6ONLY`.
    pub fn covered(&self, rule: &Rule, local: &LocalAddresses) -> BTreeSet<SocketAddr> {
        let mut covered = BTreeSet::new();
        for listener in &self.0 {
            let every: Vec<IpAddr> = match listener.ip() {
                ip if ip.is_loopback() => Vec::new(),
                ip if !ip.is_unspecified() => vec![ip],
                IpAddr::V4(_) => local.assigned().filter(IpAddr::is_ipv4).collect(),
                IpAddr::V6(_) => local.assigned().collect(),
            };
            let every = every
                .into_iter()
                .map(|ip| SocketAddr::new(ip, listener.port()));
            covered.extend(every.filter(|address| {
                rule.covers(&ServiceKey::Address {
                    protocol: Protocol::Tcp,
                    address: *address,
                })
            }));
        }
        covered
    }
}

/// Parses "   0: 0100007F:0016 00000000:0000 0A …". Each word of the address is in the
/// host's byte order, the port is a number.
fn listener(line: &str) -> Option<SocketAddr> {
    let words: Vec<&str> = line.split_whitespace().take(4).collect();
    let [_, local, _, LISTEN] = words[..] else {
        return None;
    };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |index: usize| {
        let digits = address.get(8 * index..8 * index + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?)),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::model::Network;

    #[test]
    fn a_socket_that_listens_is_found_by_its_own_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(socket) = TcpListener::bind(address) else {
                continue; // The host has no IPv6.
            };
            let address = socket.local_addr().unwrap();
            assert!(Listeners::observe().0.contains(&address), "{address}");
        }
    }

    #[test]
    fn a_rule_covers_sockets_of_its_addresses_and_of_every_address() {
        let listeners = [
            "10.0.0.1:22",
            "0.0.0.0:80",
            "[::]:443",
            "127.0.0.1:25",
            "10.0.9.1:1",
        ];
        let listeners = Listeners(listeners.map(|text| text.parse().unwrap()).into());
        let local = [
            ("10.0.0.1", 32),
            ("10.0.0.2", 32),
            ("fd00::1", 128),
            ("127.0.0.1", 32),
        ];
        let local: LocalAddresses = local
            .map(|(address, length)| (address.parse().unwrap(), length))
            .into_iter()
            .collect();
        let rule = Rule {
            networks: [Network::containing("10.0.0.0".parse().unwrap(), 24)].into(),
            protocols: [Protocol::Tcp].into(),
            ports: Vec::new(),
            interfaces: BTreeSet::new(),
        };
        let covered = |rule: &Rule| {
            let covered = listeners.covered(rule, &local).into_iter();
            covered
                .map(|address| address.to_string())
                .collect::<Vec<_>>()
        };
        let all = [
            "10.0.0.1:22",
            "10.0.0.1:80",
            "10.0.0.1:443",
            "10.0.0.2:80",
            "10.0.0.2:443",
        ];
        assert_eq!(covered(&rule), all);
        let udp = Rule {
            protocols: [Protocol::Udp].into(),
            ..rule
        };
        assert_eq!(covered(&udp), [""; 0]);
    }
}
