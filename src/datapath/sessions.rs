// SPDX-License-Identifier: GPL-2.0-only
//! The sessions in the maps `sessions4` and `sessions6`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aya::Pod;
use aya::maps::{Map, MapData};
use serde::Serialize;

use super::Error;
use super::abi::{ORIGINAL, Session4, Session6, Tuple4, Tuple6};
use super::entries::entries;
use super::object::{SESSIONS4, SESSIONS6};
use crate::kmod::proc::{self, RegisteredMaps};
use crate::model::Protocol;

/// One full-NAT connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Session {
    pub protocol: Protocol,
    pub client: SocketAddr,
    pub vip: SocketAddr,
    /// What the server sees as its peer.
    pub local_ip: SocketAddr,
    pub server: SocketAddr,
}

/// Every session of the caller's namespace, by the maps that the module has
/// registered; none where there are no such maps. Sessions come and go meanwhile:
/// one that begins or ends may be missing, and none is listed twice.
pub fn sessions() -> Result<Vec<Session>, Error> {
    let Some(mut registered) = proc::registered_maps()? else {
        return Ok(Vec::new());
    };
    loop {
        let result = sessions_in(&registered);
        match proc::registered_maps()? {
            // Other maps took over just now, and have all of them.
            Some(now) if result.is_err() && now.sessions4 != registered.sessions4 => {
                registered = now;
            }
            _ => return result,
        }
    }
}

fn sessions_in(registered: &RegisteredMaps) -> Result<Vec<Session>, Error> {
    let mut found = read(SESSIONS4, registered.sessions4, original4)?;
    found.extend(read(SESSIONS6, registered.sessions6, original6)?);
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// What a map's entries stand for.
fn read<K: Pod, V: Pod>(
    name: &'static str,
    id: u32,
    session: fn(&K, &V) -> Option<Session>,
) -> Result<Vec<Session>, Error> {
    let fail = |source| Error::Map { name, source };
    let map = Map::HashMap(MapData::from_id(id).map_err(fail)?);
    let mut found = Vec::new();
    entries(&map, |key, value| found.extend(session(key, value))).map_err(fail)?;
    Ok(found)
}

/// The session, if this is its entry for the original direction.
fn original4(tuple: &Tuple4, session: &Session4) -> Option<Session> {
    if session.direction != ORIGINAL {
        return None;
    }
    Some(Session {
        protocol: Protocol::from_number(tuple.protocol)?,
        client: address(ipv4(tuple.saddr_be), tuple.sport_be),
        vip: address(ipv4(tuple.daddr_be), tuple.dport_be),
        local_ip: address(ipv4(session.saddr_be), session.sport_be),
        server: address(ipv4(session.daddr_be), session.dport_be),
    })
}

fn original6(tuple: &Tuple6, session: &Session6) -> Option<Session> {
    if session.direction != ORIGINAL {
        return None;
    }
    Some(Session {
        protocol: Protocol::from_number(tuple.protocol)?,
        client: address(ipv6(tuple.saddr_be), tuple.sport_be),
        vip: address(ipv6(tuple.daddr_be), tuple.dport_be),
        local_ip: address(ipv6(session.saddr_be), session.sport_be),
        server: address(ipv6(session.daddr_be), session.dport_be),
    })
}

fn ipv4(addr_be: u32) -> IpAddr {
    Ipv4Addr::from(u32::from_be(addr_be)).into()
}

fn ipv6(addr_be: [u32; 4]) -> IpAddr {
    let words = addr_be.map(|word| u128::from(u32::from_be(word)));
    let [a, b, c, d] = words;
    Ipv6Addr::from(a << 96 | b << 64 | c << 32 | d).into()
}

fn address(ip: IpAddr, port_be: u16) -> SocketAddr {
    SocketAddr::new(ip, u16::from_be(port_be))
}
