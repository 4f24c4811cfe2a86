// SPDX-License-Identifier: GPL-2.0-only
//! One change of a service or a server, as a request to the kernel.

use std::net::SocketAddr;

use super::destination;
use super::error::{Failure, Operation, Reason};
use super::message::{CmdAttribute, Command, IpvsMessage};
use super::service;
use crate::model::{Server, Service, ServiceKey};

/// `IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN` and `IP_VS_IFNAME_MAXLEN`,
/// without the NUL.
pub(super) const NAME_MAX: usize = 15;

#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// The servers are not included.
    AddService(&'a ServiceKey, &'a Service),
    /// Changes the properties of an existing service to these. Its servers stay
    /// unchanged.
    ChangeService(&'a ServiceKey, &'a Service),
    /// The servers are removed with it.
    RemoveService(&'a ServiceKey),
    AddServer(&'a ServiceKey, SocketAddr, &'a Server),
    ChangeServer(&'a ServiceKey, SocketAddr, &'a Server),
    RemoveServer(&'a ServiceKey, SocketAddr),
}

impl Change<'_> {
    /// True if the change takes away the server of connections.
    pub fn ends_connections(&self) -> bool {
        matches!(self, Change::RemoveService(_) | Change::RemoveServer(..))
    }

    pub(super) fn message(&self) -> Result<IpvsMessage, Failure> {
        let (command, key, service, server) = match *self {
            Change::AddService(key, service) => (Command::NewService, key, Some(service), None),
            Change::ChangeService(key, service) => (Command::SetService, key, Some(service), None),
            Change::RemoveService(key) => (Command::DelService, key, None, None),
            Change::AddServer(key, address, server) => {
                let server = destination::all_attributes(address, server);
                (Command::NewDest, key, None, Some(server))
            }
            Change::ChangeServer(key, address, server) => {
                let server = destination::all_attributes(address, server);
                (Command::SetDest, key, None, Some(server))
            }
            Change::RemoveServer(key, address) => {
                (Command::DelDest, key, None, Some(destination::key(address)))
            }
        };
        check_key(key)?;
        let mut attributes = vec![CmdAttribute::Service(match service {
            Some(service) => {
                check_names(service)?;
                service::all_attributes(key, service)
            }
            None => service::key(key),
        })];
        attributes.extend(server.map(CmdAttribute::Dest));
        Ok(IpvsMessage::new(command, attributes))
    }

    pub(super) fn operation(&self) -> Operation {
        match *self {
            Change::AddService(key, service) => Operation::AddService {
                service: key.clone(),
                scheduler: service.scheduler.clone(),
                engine: engine(service).cloned(),
            },
            Change::ChangeService(key, service) => Operation::ChangeService {
                service: key.clone(),
                scheduler: service.scheduler.clone(),
                engine: engine(service).cloned(),
            },
            Change::RemoveService(key) => Operation::RemoveService {
                service: key.clone(),
            },
            Change::AddServer(key, server, _) => Operation::AddServer {
                service: key.clone(),
                server,
            },
            Change::ChangeServer(key, server, _) => Operation::ChangeServer {
                service: key.clone(),
                server,
            },
            Change::RemoveServer(key, server) => Operation::RemoveServer {
                service: key.clone(),
                server,
            },
        }
    }
}

/// The kernel would treat mark 0 as a TCP service without an address.
fn check_key(key: &ServiceKey) -> Result<(), Failure> {
    match key {
        ServiceKey::Fwmark { mark: 0, .. } => Err(Failure::Refused(Reason::FwmarkZero)),
        _ => Ok(()),
    }
}

/// Refuses names that the kernel would cut at a NUL or reject without a message.
fn check_names(service: &Service) -> Result<(), Failure> {
    for name in [Some(&service.scheduler), engine(service)]
        .into_iter()
        .flatten()
    {
        if name.is_empty() || name.len() > NAME_MAX || name.contains('\0') {
            let name = name.clone();
            return Err(Failure::Refused(Reason::BadName { name }));
        }
    }
    Ok(())
}

fn engine(service: &Service) -> Option<&String> {
    service.persistence.as_ref()?.engine.as_ref()
}
