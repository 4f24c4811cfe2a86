// SPDX-License-Identifier: GPL-2.0-only
//! A running server of a service, found by the names that a user typed.

use std::net::SocketAddr;

use super::Error;
use crate::config::argument::near;
use crate::ipvs_netlink::{Connections, Ipvs};
use crate::model::{Server, Service, ServiceKey};

/// A service and one of its servers.
#[derive(Clone, Debug)]
pub struct Target {
    pub service: Service,
    pub server: Server,
    pub connections: Connections,
}

/// If there is no such service or server, the error lists similar ones.
pub fn find(ipvs: &mut Ipvs, key: &ServiceKey, address: SocketAddr) -> Result<Target, Error> {
    let Some((service, statistics)) = ipvs.service_with_statistics(key)? else {
        return Err(no_service(ipvs, key)?);
    };
    let Some((server, now)) = service
        .servers
        .get(&address)
        .cloned()
        .zip(statistics.servers.get(&address))
    else {
        let there: Vec<String> = service.servers.keys().map(SocketAddr::to_string).collect();
        return Err(Error::NoSuchServer {
            service: key.clone(),
            server: address,
            near: near(&address.to_string(), &there),
        });
    };
    Ok(Target {
        server,
        connections: now.connections,
        service,
    })
}

pub(super) fn no_service(ipvs: &mut Ipvs, key: &ServiceKey) -> Result<Error, Error> {
    let there: Vec<String> = ipvs
        .service_keys()?
        .iter()
        .map(ServiceKey::to_string)
        .collect();
    Ok(Error::NoSuchService {
        service: key.clone(),
        near: near(&key.to_string(), &there),
    })
}
