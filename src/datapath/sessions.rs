// SPDX-License-Identifier: GPL-2.0-only
//! The sessions in the map `sessions4`.

use std::net::{Ipv4Addr, SocketAddrV4};

use aya::maps::{HashMap, Map, MapData, MapError};

use super::Error;
use super::abi::{ORIGINAL, Session4, Tuple4};
use super::object::SESSIONS4;
use crate::kmod::proc;
use crate::model::Protocol;

/// One full-NAT connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Session {
    pub protocol: Protocol,
    pub client: SocketAddrV4,
    pub vip: SocketAddrV4,
    /// What the server sees as its peer.
    pub local_ip: SocketAddrV4,
    pub server: SocketAddrV4,
}

/// Every session of the caller's namespace, by the map that the module has
/// registered. Sessions come and go meanwhile: one that ends may be missing,
/// and none is listed twice.
pub fn sessions() -> Result<Vec<Session>, Error> {
    let registered = proc::registered_maps()?.ok_or(Error::NotRunning)?;
    let fail = |source| Error::Map {
        name: SESSIONS4,
        source,
    };
    let data = MapData::from_id(registered.sessions4).map_err(fail)?;
    let map = HashMap::<_, Tuple4, Session4>::try_from(Map::HashMap(data)).map_err(fail)?;
    let mut found = Vec::new();
    for entry in map.iter() {
        match entry {
            Ok((tuple, session)) => found.extend(original(&tuple, &session)),
            // Ended between being listed and being read.
            Err(MapError::KeyNotFound) => {}
            Err(source) => return Err(fail(source)),
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The session, if this is its entry for the original direction.
fn original(tuple: &Tuple4, session: &Session4) -> Option<Session> {
    if session.direction != ORIGINAL {
        return None;
    }
    Some(Session {
        protocol: Protocol::from_number(tuple.protocol)?,
        client: address(tuple.saddr_be, tuple.sport_be),
        vip: address(tuple.daddr_be, tuple.dport_be),
        local_ip: address(session.saddr_be, session.sport_be),
        server: address(session.daddr_be, session.dport_be),
    })
}

fn address(addr_be: u32, port_be: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from(u32::from_be(addr_be)), u16::from_be(port_be))
}
