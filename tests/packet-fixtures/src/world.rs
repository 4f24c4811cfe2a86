// SPDX-License-Identifier: GPL-2.0-only
//! The names of fixtures, with their addresses and ports in the network that plays them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ends of one session. A fixture's own session has the client's port to itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    pub client: [IpAddr; 2],
    pub vip: [IpAddr; 2],
    pub local_ip: [IpAddr; 2],
    pub server: [IpAddr; 2],
    pub ports: Ports,
    /// The identification of packets and fragments that name none.
    pub id: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    pub client: u16,
    pub vip: u16,
    /// 0: not known yet.
    pub local_ip: u16,
    pub server: u16,
}

/// Addresses that every network has the same: IPv4, IPv6.
const ADDRESSES: [(&str, &str, &str); 15] = [
    ("client2", "10.1.0.3", "fd00:1::3"),
    ("vip2", "10.0.0.9", "fd00::9"),
    ("server2", "10.2.0.3", "fd00:2::3"),
    ("director", "10.1.0.1", "fd00:1::1"),
    ("director2", "10.2.0.1", "fd00:2::1"),
    ("router", "10.2.0.9", "fd00:2::9"),
    ("stranger", "192.0.2.9", "2001:db8::9"),
    ("unspecified", "0.0.0.0", "::"),
    ("loopback", "127.0.0.1", "::1"),
    ("broadcast", "255.255.255.255", "ff02::1"),
    ("subnet-broadcast", "10.1.0.255", "ff05::2"),
    ("multicast", "224.0.0.1", "ff0e::1234"),
    ("link-local", "169.254.7.7", "fe80::7777"),
    ("reserved", "240.0.0.1", "::ffff:10.1.0.2"),
    ("this-network", "0.1.2.3", "::10.1.0.2"),
];

impl World {
    /// The address of a name, or a literal one, of the family 4 or 6.
    pub fn address(&self, name: &str, family: u8) -> Result<IpAddr, String> {
        let half = usize::from(family == 6);
        let ends = [
            ("client", self.client),
            ("vip", self.vip),
            ("local", self.local_ip),
            ("server", self.server),
        ];
        if let Some((_, addresses)) = ends.iter().find(|(end, _)| *end == name) {
            return Ok(addresses[half]);
        }
        let literal = match ADDRESSES.iter().find(|(other, ..)| *other == name) {
            Some((_, four, six)) => [four, six][half],
            None => name,
        };
        let address: IpAddr = literal
            .parse()
            .map_err(|_| format!("`{name}` is neither a name nor an address"))?;
        match (address, family) {
            (IpAddr::V4(_), 4) | (IpAddr::V6(_), 6) => Ok(address),
            _ => Err(format!("`{name}` is not an address of IPv{family}")),
        }
    }

    /// The bytes of the address of a name in this file.
    pub fn octets(&self, name: &str, family: u8) -> Vec<u8> {
        match self.address(name, family).expect("a name") {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        }
    }

    /// The port of an end, or a literal one.
    pub fn port(&self, name: &str) -> Result<u16, String> {
        match name {
            "client" => Ok(self.ports.client),
            "vip" => Ok(self.ports.vip),
            "local" => Ok(self.ports.local_ip),
            "server" => Ok(self.ports.server),
            _ => name
                .parse()
                .map_err(|_| format!("`{name}` is neither an end nor a port")),
        }
    }

    /// Every name of an address.
    pub fn names() -> impl Iterator<Item = &'static str> {
        let ends = ["client", "vip", "local", "server"];
        ends.into_iter().chain(ADDRESSES.iter().map(|row| row.0))
    }

    /// The network of `lab/topology`.
    pub fn lab(ports: Ports) -> Self {
        let both = |four: [u8; 4], six: [u16; 2]| {
            let six = Ipv6Addr::new(0xfd00, six[0], 0, 0, 0, 0, 0, six[1]);
            [IpAddr::from(Ipv4Addr::from(four)), IpAddr::from(six)]
        };
        Self {
            client: both([10, 1, 0, 2], [1, 2]),
            vip: both([10, 0, 0, 1], [0, 1]),
            local_ip: both([10, 2, 0, 100], [2, 0x100]),
            server: both([10, 2, 0, 2], [2, 2]),
            ports,
            id: 0x1234,
        }
    }
}
