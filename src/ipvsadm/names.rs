// SPDX-License-Identifier: GPL-2.0-only
//! The names that this host knows without the network: hosts(5) and
//! services(5).

use std::collections::HashMap;
use std::net::IpAddr;

use crate::model::Protocol;

#[derive(Clone, Debug, Default)]
pub struct Names {
    hosts: HashMap<String, IpAddr>,
    ports: HashMap<(String, String), u16>,
}

impl Names {
    /// Reads the texts of `/etc/hosts` and `/etc/services`. The first line with
    /// a name counts. Only IPv4 addresses of hosts are used, because ipvsadm
    /// accepts no other addresses by name.
    pub fn new(hosts: &str, services: &str) -> Self {
        let mut names = Names::default();
        for (address, words) in lines(hosts) {
            let Ok(address @ IpAddr::V4(_)) = address.parse() else {
                continue;
            };
            for name in words {
                names.hosts.entry(name.to_owned()).or_insert(address);
            }
        }
        for (name, mut words) in lines(services) {
            let entry = words.next().and_then(|word| word.split_once('/'));
            let Some((port, protocol)) = entry else {
                continue;
            };
            let Ok(port) = port.parse() else { continue };
            for name in std::iter::once(name).chain(words) {
                let key = (name.to_owned(), protocol.to_owned());
                names.ports.entry(key).or_insert(port);
            }
        }
        names
    }

    pub(super) fn host(&self, name: &str) -> Option<IpAddr> {
        self.hosts.get(name).copied()
    }

    pub(super) fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let key = (name.to_owned(), protocol.to_string());
        self.ports.get(&key).copied()
    }
}

/// Returns the first word of each line, and the other words.
fn lines(text: &str) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
    text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        Some((words.next()?, words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_their_first_line() {
        let names = Names::new(
            "# hosts\n::1 web\n10.0.0.1 web www # the first\n10.0.0.2 web\nnonsense\n",
            "http 80/tcp www # WorldWideWeb\ndomain 53/udp\nhttp 81/tcp\nbad\nworse x/tcp\n",
        );
        let ip = |text: &str| Some(text.parse().unwrap());
        assert_eq!(names.host("web"), ip("10.0.0.1"));
        assert_eq!(names.host("www"), ip("10.0.0.1"));
        assert_eq!(names.host("lb"), None);
        assert_eq!(names.port("www", Protocol::Tcp), Some(80));
        assert_eq!(names.port("http", Protocol::Tcp), Some(80));
        assert_eq!(names.port("http", Protocol::Udp), None);
        assert_eq!(names.port("domain", Protocol::Udp), Some(53));
    }
}
