// SPDX-License-Identifier: GPL-2.0-only
//! A server of a service as it runs, found by the names that a person typed.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Error;
use crate::config::argument::near;
use crate::ipvs_netlink::{Connections, Ipvs, Reason};
use crate::model::{Server, Service, ServiceKey};

/// A service with one of its servers in particular.
#[derive(Clone, Debug)]
pub struct Target {
    pub service: Service,
    pub server: Server,
    pub connections: Connections,
}

/// Errors name what is near, where there is no such service or server.
pub fn find(ipvs: &mut Ipvs, key: &ServiceKey, address: SocketAddr) -> Result<Target, Error> {
    let (entry, servers) = match ipvs.service(key) {
        Ok(found) => found,
        Err(error) if error.reason() == Some(&Reason::NoSuchService) => {
            return Err(no_service(ipvs, key)?);
        }
        Err(error) => return Err(error.into()),
    };
    let connections = servers
        .iter()
        .find(|server| server.address == address)
        .map(|server| server.statistics.connections);
    let servers: BTreeMap<_, _> = servers
        .into_iter()
        .map(|server| (server.address, server.server))
        .collect();
    let (Some(server), Some(connections)) = (servers.get(&address).cloned(), connections) else {
        let there: Vec<String> = servers.keys().map(SocketAddr::to_string).collect();
        return Err(Error::NoSuchServer {
            service: key.clone(),
            server: address,
            near: near(&address.to_string(), &there),
        });
    };
    Ok(Target {
        service: Service {
            servers,
            ..entry.service
        },
        server,
        connections,
    })
}

pub(super) fn no_service(ipvs: &mut Ipvs, key: &ServiceKey) -> Result<Error, Error> {
    let there: Vec<String> = ipvs.services()?.keys().map(ServiceKey::to_string).collect();
    Ok(Error::NoSuchService {
        service: key.clone(),
        near: near(&key.to_string(), &there),
    })
}
