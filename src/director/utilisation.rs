// SPDX-License-Identifier: GPL-2.0-only
//! How much of each local IP is in use. A port serves one session with each
//! server, so what counts is the server that has most.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::Error;
use crate::kmod::proc::{self, LocalIpLine};
use crate::kmod::{Session, sessions};
use crate::model::{PortRange, Protocol};

#[derive(Clone, Debug, Serialize)]
pub struct LocalIpNow {
    pub pool: String,
    pub address: IpAddr,
    pub first_port: u16,
    pub last_port: u16,
    pub sessions: u32,
    pub ports: u32,
    pub busiest_server: Option<Busiest>,
}

/// The server with which a local IP has most sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Busiest {
    pub protocol: Protocol,
    pub server: SocketAddr,
    pub sessions: u32,
}

/// Those of the caller's network namespace. Reads every session.
pub fn local_ips_now() -> Result<Vec<LocalIpNow>, Error> {
    let lines = proc::local_ips()?;
    let found = if lines.is_empty() {
        Vec::new()
    } else {
        sessions()?
    };
    Ok(utilisation(lines, &found))
}

pub fn utilisation(lines: Vec<LocalIpLine>, sessions: &[Session]) -> Vec<LocalIpNow> {
    let mut counts: HashMap<(IpAddr, Protocol, SocketAddr), u32> = HashMap::new();
    for session in sessions {
        let of = (session.local_ip.ip(), session.protocol, session.server);
        *counts.entry(of).or_default() += 1;
    }
    let mut busiest: HashMap<IpAddr, Busiest> = HashMap::new();
    for ((local_ip, protocol, server), sessions) in counts {
        let this = Busiest {
            protocol,
            server,
            sessions,
        };
        let rank = |of: &Busiest| (of.sessions, of.server, of.protocol);
        let most = busiest.entry(local_ip).or_insert(this);
        if rank(&this) > rank(most) {
            *most = this;
        }
    }
    lines
        .into_iter()
        .map(|line| LocalIpNow {
            busiest_server: busiest.get(&line.local_ip.address).copied(),
            pool: line.local_ip.pool,
            address: line.local_ip.address,
            first_port: line.ports.first,
            last_port: line.ports.last,
            sessions: line.sessions,
            ports: ports(line.ports),
        })
        .collect()
}

fn ports(range: PortRange) -> u32 {
    u32::from(range.last).saturating_sub(range.first.into()) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_both_its_ends() {
        let ports = |first, last| ports(PortRange { first, last });
        assert_eq!(ports(1, 65_535), 65_535);
        assert_eq!(ports(4000, 4000), 1);
    }
}
