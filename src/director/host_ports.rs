// SPDX-License-Identifier: GPL-2.0-only
//! The ports that this host picks for its own connections. If a local IP is also an
//! address of the host, no session takes one of them (`kmod/session/host_ports.c`).

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use crate::model::PortRange;

/// Each thread sees the settings of its own network namespace here.
const FOLDER: &str = "/proc/sys/net/ipv4";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPorts {
    /// `ip_local_port_range`.
    drawn: PortRange,
    /// `ip_local_reserved_ports`: ports of this range that are not picked.
    reserved: Vec<PortRange>,
}

impl HostPorts {
    pub fn observe() -> Result<Self, Error> {
        let (path, range) = read("ip_local_port_range")?;
        let (_, reserved) = read("ip_local_reserved_ports")?;
        HostPorts::from_text(&range, &reserved).ok_or_else(|| Error::Unreadable {
            path,
            text: format!("{} and {}", range.trim(), reserved.trim()),
        })
    }

    /// Parses "32768\t60999", and "8080,9000-9010" or an empty text.
    pub(crate) fn from_text(drawn: &str, reserved: &str) -> Option<Self> {
        let mut words = drawn.split_whitespace();
        let (first, last) = (words.next()?, words.next()?);
        let reserved = reserved.trim().split(',').filter(|part| !part.is_empty());
        Some(HostPorts {
            drawn: range(first, last)?,
            reserved: reserved
                .map(|part| {
                    let (first, last) = part.split_once('-').unwrap_or((part, part));
                    range(first, last)
                })
                .collect::<Option<_>>()?,
        })
    }

    /// `ip_local_port_range`.
    pub fn range(&self) -> PortRange {
        self.drawn
    }

    /// How many of these ports the host picks from.
    pub fn ephemeral_count(&self, ports: PortRange) -> u32 {
        let drawn = self.drawn.common(ports);
        // The kernel prints a set of ports, so the parts do not overlap.
        let reserved = self.reserved.iter();
        let reserved: u32 = reserved.map(|part| drawn.common(*part).count()).sum();
        drawn.count().saturating_sub(reserved)
    }

    pub fn is_ephemeral(&self, port: u16) -> bool {
        let only = PortRange {
            first: port,
            last: port,
        };
        self.ephemeral_count(only) == 1
    }

    /// True if the host picks from every one of these ports.
    pub fn all_are_ephemeral(&self, ports: PortRange) -> bool {
        self.ephemeral_count(ports) == ports.count()
    }

    /// The value of `ip_local_reserved_ports` that reserves these ports in addition to
    /// those already reserved.
    pub fn reserving(&self, ports: PortRange) -> String {
        let parts = self.reserved.iter().chain([&ports]);
        let parts: Vec<String> = parts.map(part).collect();
        parts.join(",")
    }
}

fn part(range: &PortRange) -> String {
    if range.first == range.last {
        range.first.to_string()
    } else {
        range.to_string()
    }
}

fn range(first: &str, last: &str) -> Option<PortRange> {
    Some(PortRange {
        first: first.parse().ok()?,
        last: last.parse().ok()?,
    })
}

fn read(name: &str) -> Result<(PathBuf, String), Error> {
    let path = Path::new(FOLDER).join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(Error::File { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(reserved: &str, first: u16, last: u16) -> bool {
        let ports = HostPorts::from_text("32768\t60999\n", reserved).unwrap();
        ports.all_are_ephemeral(PortRange { first, last })
    }

    #[test]
    fn ports_are_all_drawn_where_none_is_outside_or_reserved() {
        assert!(draws("\n", 32768, 60999));
        assert!(draws("\n", 40000, 40000));
        assert!(!draws("\n", 1024, 65535));
        assert!(!draws("\n", 32767, 32768));
        assert!(!draws("\n", 60999, 61000));
        assert!(draws("8080,50000-50010\n", 40000, 49999));
        assert!(!draws("8080,50000-50010\n", 40000, 50000));
        assert!(!draws("50000\n", 40000, 60000));
        assert!(draws("40001-40002\n", 40003, 40003));
    }

    #[test]
    fn drawn_ports_are_counted_without_the_reserved_ones() {
        let ports = HostPorts::from_text("32768\t60999\n", "8080,40000-40009,60999\n").unwrap();
        let drawn = |first, last| ports.ephemeral_count(PortRange { first, last });
        assert_eq!(drawn(1024, 65_535), 28_232 - 11);
        assert_eq!(drawn(8000, 9000), 0);
        assert_eq!(drawn(39_999, 40_010), 2);
        assert_eq!(drawn(60_998, 65_535), 1);
        assert!(
            ports.is_ephemeral(39_999)
                && !ports.is_ephemeral(40_000)
                && !ports.is_ephemeral(61_000)
        );
    }

    #[test]
    fn existing_reservations_are_kept() {
        let ports = |reserved| HostPorts::from_text("32768 60999", reserved).unwrap();
        let more = PortRange {
            first: 40_000,
            last: 40_010,
        };
        assert_eq!(ports("").reserving(more), "40000-40010");
        let both = ports("8080,9000-9010\n").reserving(more);
        assert_eq!(both, "8080,9000-9010,40000-40010");
    }

    #[test]
    fn strange_settings_are_not_ports() {
        for (drawn, reserved) in [
            ("", ""),
            ("1", ""),
            ("a b", ""),
            ("1 2", "x"),
            ("1 2", "1-"),
        ] {
            assert_eq!(
                HostPorts::from_text(drawn, reserved),
                None,
                "{drawn} {reserved}"
            );
        }
    }
}
