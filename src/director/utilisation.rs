// SPDX-License-Identifier: GPL-2.0-only
//! How much of each local IP is in use. A port serves one session with each server. So
//! this is the share of the busiest server: its sessions, out of the ports that sessions
//! with it can use.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::{Error, UsablePorts};
use crate::kmod::proc::{self, LocalIpLine};
use crate::kmod::{Session, each_session};
use crate::model::Protocol;

#[derive(Clone, Debug, Serialize)]
pub struct RunningLocalIp {
    pub pool: String,
    pub address: IpAddr,
    pub first_port: u16,
    pub last_port: u16,
    pub sessions: u32,
    /// The number of ports that sessions with the busiest server can use.
    pub ports: u32,
    pub busiest_server: Option<Busiest>,
}

/// The server that uses the largest share of the local IP's usable ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Busiest {
    pub protocol: Protocol,
    pub server: SocketAddr,
    pub sessions: u32,
}

/// The local IPs of the caller's network namespace. Reads every session.
pub fn running_local_ips() -> Result<Vec<RunningLocalIp>, Error> {
    let lines = proc::local_ips()?;
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let services = proc::full_nat()?.into_iter();
    let services = services.filter(|line| line.full_nat.is_some());
    let usable = UsablePorts::observe(services.map(|line| line.key))?;
    let mut ports = UsedPorts::default();
    each_session(|session| ports.count(&session))?;
    Ok(utilisation(lines, ports, &usable))
}

/// The ports of each local IP that sessions with each server use. A port takes a few bytes,
/// and there may be millions of sessions. A session that is listed twice counts once.
#[derive(Default)]
pub struct UsedPorts(HashMap<IpAddr, HashMap<(Protocol, SocketAddr), HashSet<u16>>>);

impl UsedPorts {
    pub fn count(&mut self, session: &Session) {
        let servers = self.0.entry(session.local_ip.ip()).or_default();
        let ports = servers.entry((session.protocol, session.server));
        ports.or_default().insert(session.local_ip.port());
    }
}

pub fn utilisation(
    lines: Vec<LocalIpLine>,
    mut used: UsedPorts,
    usable: &UsablePorts,
) -> Vec<RunningLocalIp> {
    lines
        .into_iter()
        .map(|line| {
            let servers = used.0.remove(&line.local_ip.address).unwrap_or_default();
            local_ip(line, servers, usable)
        })
        .collect()
}

fn local_ip(
    line: LocalIpLine,
    servers: HashMap<(Protocol, SocketAddr), HashSet<u16>>,
    usable: &UsablePorts,
) -> RunningLocalIp {
    let ports = |protocol| usable.count(line.local_ip.address, line.ports, protocol);
    let ports_of = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(|it| (it, ports(it)));
    let of = |protocol| {
        let found = ports_of.iter().find(|(known, _)| *known == protocol);
        found.map_or(0, |(_, ports)| *ports)
    };
    let busiest_server = servers
        .into_iter()
        .map(|((protocol, server), ports)| Busiest {
            protocol,
            server,
            // There are fewer than 65 536 ports.
            sessions: ports.len() as u32,
        })
        .max_by_key(|it| {
            let used = per_mille(it.sessions, of(it.protocol));
            (used, it.sessions, it.server, it.protocol)
        });
    RunningLocalIp {
        pool: line.local_ip.pool,
        address: line.local_ip.address,
        first_port: line.ports.first,
        last_port: line.ports.last,
        sessions: line.sessions,
        ports: of(busiest_server.map_or(Protocol::Tcp, |it| it.protocol)),
        busiest_server,
    }
}

impl RunningLocalIp {
    /// The share of the local IP that is in use. It is all if no port is usable.
    pub fn per_mille_used(&self) -> u64 {
        per_mille(self.busiest_server.map_or(0, |it| it.sessions), self.ports)
    }
}

fn per_mille(sessions: u32, ports: u32) -> u64 {
    if ports == 0 {
        return 1000;
    }
    u64::from(sessions) * 1000 / u64::from(ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::director::HostPorts;
    use crate::kmod::Directions;
    use crate::model::{LocalIp, PortRange};

    fn line(first: u16, last: u16) -> LocalIpLine {
        LocalIpLine {
            local_ip: LocalIp {
                pool: "default".to_owned(),
                address: "10.2.0.100".parse().unwrap(),
            },
            ports: PortRange { first, last },
            sessions: 0,
        }
    }

    fn sessions(protocol: Protocol, server: &str, number: u16) -> Vec<Session> {
        let session = |port: u16| Session {
            protocol,
            client: ([10, 1, 0, 2], port).into(),
            vip: "10.0.0.1:80".parse().unwrap(),
            local_ip: ([10, 2, 0, 100], port).into(),
            server: server.parse().unwrap(),
            fast_path: Directions::None,
            xdp: Directions::None,
        };
        (1..=number).map(session).collect()
    }

    fn now(line: LocalIpLine, sessions: &[Session]) -> RunningLocalIp {
        let host = HostPorts::from_text("2000 2089", "").unwrap();
        let usable = UsablePorts::of(host, &["10.2.0.100"], &[]);
        let mut used = UsedPorts::default();
        // A session that is listed twice counts once.
        for session in sessions.iter().chain(sessions) {
            used.count(session);
        }
        utilisation(vec![line], used, &usable).remove(0)
    }

    #[test]
    fn the_busiest_server_is_the_one_that_is_nearest_to_no_port_at_all() {
        let tcp = sessions(Protocol::Tcp, "10.2.0.2:80", 9);
        let sctp = sessions(Protocol::Sctp, "10.2.0.3:80", 20);
        let now = now(line(2000, 2099), &[tcp, sctp].concat());
        let server = now.busiest_server.map(|it| it.protocol);
        assert_eq!((server, now.ports), (Some(Protocol::Tcp), 10));
        assert_eq!(now.per_mille_used(), 900);
    }

    #[test]
    fn a_local_ip_without_a_usable_port_is_used_up() {
        let now = now(line(2000, 2009), &[]);
        assert_eq!((now.ports, now.per_mille_used()), (0, 1000));
    }
}
