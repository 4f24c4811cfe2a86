// SPDX-License-Identifier: GPL-2.0-only
//! How many of a pool's ports of a local IP sessions can use
//! (`kmod/session/local_ports.c: try_port()`). Each socket of this host can block one
//! more port. Sockets come and go, so they are not counted.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::{Error, HostPorts, LocalAddresses};
use crate::model::{PortRange, Protocol, ServiceKey};

pub struct UsablePorts {
    host: HostPorts,
    local: LocalAddresses,
    /// Full-NAT services. No session can use their VIP and port as its source.
    services: BTreeSet<(Protocol, SocketAddr)>,
}

impl UsablePorts {
    /// Reads the host's ports and addresses in the caller's network namespace.
    pub fn observe(services: impl Iterator<Item = ServiceKey>) -> Result<Self, Error> {
        Ok(UsablePorts {
            host: HostPorts::observe()?,
            local: LocalAddresses::observe()?,
            services: services.filter_map(endpoint).collect(),
        })
    }

    /// The maximum number of sessions with one server of this protocol.
    pub fn count(&self, address: IpAddr, ports: PortRange, protocol: Protocol) -> u32 {
        // SCTP keeps the client's port.
        let shares = protocol != Protocol::Sctp && self.local.shares_ports(address);
        let drawn = if shares {
            self.host.ephemeral_count(ports)
        } else {
            0
        };
        let first = (protocol, SocketAddr::new(address, ports.first));
        let last = (protocol, SocketAddr::new(address, ports.last));
        let services = self.services.range(first..=last);
        let served =
            services.filter(|(_, service)| !(shares && self.host.is_ephemeral(service.port())));
        let served = u32::try_from(served.count()).unwrap_or(u32::MAX);
        ports.count().saturating_sub(drawn).saturating_sub(served)
    }
}

fn endpoint(key: ServiceKey) -> Option<(Protocol, SocketAddr)> {
    match key {
        ServiceKey::Address { protocol, address } => Some((protocol, address)),
        ServiceKey::Fwmark { .. } => None,
    }
}

#[cfg(test)]
impl UsablePorts {
    /// A host with these ports and addresses, and with these full-NAT services over TCP.
    pub fn of(host: HostPorts, local: &[&str], services: &[&str]) -> Self {
        let local = local.iter().map(|address| address.parse().unwrap());
        let local =
            local.map(|address: IpAddr| (address, if address.is_ipv4() { 32 } else { 128 }));
        let services = services.iter().map(|address| address.parse().unwrap());
        UsablePorts {
            host,
            local: local.collect(),
            services: services.map(|address| (Protocol::Tcp, address)).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(usable: &UsablePorts, address: &str, protocol: Protocol) -> u32 {
        let ports = PortRange {
            first: 1024,
            last: 65_535,
        };
        usable.count(address.parse().unwrap(), ports, protocol)
    }

    #[test]
    fn the_host_and_the_services_have_their_ports() {
        let host = HostPorts::from_text("32768\t60999", "40000-40009").unwrap();
        let services = ["10.2.0.100:80", "10.2.0.100:8080", "10.2.0.100:50000"];
        let usable = UsablePorts::of(host, &["10.2.0.100", "fd00:2::100"], &services);
        assert_eq!(count(&usable, "10.2.0.100", Protocol::Udp), 36_290);
        assert_eq!(count(&usable, "fd00:2::100", Protocol::Tcp), 36_290);
        assert_eq!(count(&usable, "10.2.0.100", Protocol::Tcp), 36_289);
        assert_eq!(count(&usable, "10.2.0.100", Protocol::Sctp), 64_512);
        assert_eq!(count(&usable, "10.2.0.101", Protocol::Tcp), 64_512);
    }
}
