// SPDX-License-Identifier: GPL-2.0-only
//! What can be asked of the kernel's IPVS.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use netlink_packet_generic::GenlMessage;

use super::conversation::Conversation;
use super::destination::{self, DestEntry};
use super::error::{Error, Failure, Operation, Reason};
use super::family::{self, FamilyId};
use super::info::Info;
use super::listing;
use super::message::{Attributes, CmdAttribute, Command, IpvsMessage};
use super::service::{self, ServiceEntry, SvcAttribute};
use super::socket::{KernelSocket, Transport};
use super::statistics::ServiceStatistics;
use crate::model::{Family, Server, Service, ServiceKey};

/// `IP_VS_SCHEDNAME_MAXLEN`, `IP_VS_PENAME_MAXLEN` and `IP_VS_IFNAME_MAXLEN`,
/// without the NUL.
pub(super) const NAME_MAX: usize = 15;

/// IPVS of one network namespace: the one in which the socket was opened.
pub struct Ipvs<T = KernelSocket> {
    conversation: Conversation<T>,
    family: u16,
}

impl Ipvs {
    /// [`Reason::NoFamily`] when the kernel has no IPVS.
    pub fn connect() -> Result<Self, Error> {
        let socket = KernelSocket::open()
            .map_err(|error| Failure::Socket(error).during(Operation::FindFamily))?;
        Ipvs::over(socket)
    }
}

impl<T: Transport> Ipvs<T> {
    pub fn over(transport: T) -> Result<Self, Error> {
        let mut conversation = Conversation::over(transport);
        let read = |answer: GenlMessage<FamilyId>| Ok(answer.payload.0);
        let answers = conversation
            .ask(family::request(), read)
            .map_err(|failure| failure.during(Operation::FindFamily))?;
        let family =
            answers.into_iter().flatten().next().ok_or_else(|| {
                Failure::missing("CTRL_ATTR_FAMILY_ID").during(Operation::FindFamily)
            })?;
        Ok(Ipvs {
            conversation,
            family,
        })
    }

    pub fn info(&mut self) -> Result<Info, Error> {
        let message = IpvsMessage::new(Command::GetInfo, Vec::new());
        self.ask(message, |attributes| match attributes {
            Attributes::Info(attributes) => Info::read(&attributes),
            Attributes::Cmd(_) => Err(Failure::missing("IPVS_CMD_SET_INFO")),
        })
        .and_then(|answers| {
            let first = answers.into_iter().next();
            first.ok_or_else(|| Failure::missing("IPVS_CMD_SET_INFO"))
        })
        .map_err(|failure| failure.during(Operation::GetInfo))
    }

    /// All services with their servers; complete whatever others change in the
    /// meantime, here or in another network namespace. What is itself added,
    /// removed or changed meanwhile is seen as it was or as it is.
    pub fn services(&mut self) -> Result<BTreeMap<ServiceKey, Service>, Error> {
        let mut services = BTreeMap::new();
        self.walk(|entry, servers| {
            let mut service = entry.service;
            service.servers = servers
                .into_iter()
                .map(|entry| (entry.address, entry.server))
                .collect();
            services.insert(entry.key, service);
        })?;
        Ok(services)
    }

    /// Counters, rates and connections of all services and their servers.
    pub fn statistics(&mut self) -> Result<BTreeMap<ServiceKey, ServiceStatistics>, Error> {
        let mut statistics = BTreeMap::new();
        self.walk(|entry, servers| {
            let servers = servers
                .into_iter()
                .map(|entry| (entry.address, entry.statistics))
                .collect();
            let counters = entry.counters;
            statistics.insert(entry.key, ServiceStatistics { counters, servers });
        })?;
        Ok(statistics)
    }

    /// Both of the above in one walk: of each service, from one moment.
    pub fn services_with_statistics(
        &mut self,
    ) -> Result<BTreeMap<ServiceKey, (Service, ServiceStatistics)>, Error> {
        let mut services = BTreeMap::new();
        self.walk(|entry, servers| {
            let mut service = entry.service;
            let mut statistics = ServiceStatistics {
                counters: entry.counters,
                servers: BTreeMap::new(),
            };
            for server in servers {
                service.servers.insert(server.address, server.server);
                statistics.servers.insert(server.address, server.statistics);
            }
            services.insert(entry.key, (service, statistics));
        })?;
        Ok(services)
    }

    /// Adds the service without its servers.
    pub fn add_service(&mut self, key: &ServiceKey, service: &Service) -> Result<(), Error> {
        check_names(service)
            .and_then(|()| self.service_command(Command::NewService, key, Some(service)))
            .map_err(|failure| {
                failure.during(Operation::AddService {
                    service: key.clone(),
                    scheduler: service.scheduler.clone(),
                    engine: engine(service).cloned(),
                })
            })
    }

    /// Gives an existing service the properties of `service`; its servers
    /// stay as they are.
    pub fn change_service(&mut self, key: &ServiceKey, service: &Service) -> Result<(), Error> {
        check_names(service)
            .and_then(|()| self.service_command(Command::SetService, key, Some(service)))
            .map_err(|failure| {
                failure.during(Operation::ChangeService {
                    service: key.clone(),
                    scheduler: service.scheduler.clone(),
                    engine: engine(service).cloned(),
                })
            })
    }

    /// Removes the service and its servers.
    pub fn remove_service(&mut self, key: &ServiceKey) -> Result<(), Error> {
        self.service_command(Command::DelService, key, None)
            .map_err(|failure| {
                let service = key.clone();
                failure.during(Operation::RemoveService { service })
            })
    }

    pub fn add_server(
        &mut self,
        key: &ServiceKey,
        address: SocketAddr,
        server: &Server,
    ) -> Result<(), Error> {
        self.server_command(Command::NewDest, key, address, Some(server))
            .map_err(|failure| {
                failure.during(Operation::AddServer {
                    service: key.clone(),
                    server: address,
                })
            })
    }

    pub fn change_server(
        &mut self,
        key: &ServiceKey,
        address: SocketAddr,
        server: &Server,
    ) -> Result<(), Error> {
        self.server_command(Command::SetDest, key, address, Some(server))
            .map_err(|failure| {
                failure.during(Operation::ChangeServer {
                    service: key.clone(),
                    server: address,
                })
            })
    }

    pub fn remove_server(&mut self, key: &ServiceKey, address: SocketAddr) -> Result<(), Error> {
        self.server_command(Command::DelDest, key, address, None)
            .map_err(|failure| {
                failure.during(Operation::RemoveServer {
                    service: key.clone(),
                    server: address,
                })
            })
    }

    /// Removes all services and servers.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.change(IpvsMessage::new(Command::Flush, Vec::new()))
            .map_err(|failure| failure.during(Operation::Flush))
    }

    /// Sets the counters of a service and its servers to zero, or those of all
    /// services and the sums of the namespace.
    pub fn zero(&mut self, key: Option<&ServiceKey>) -> Result<(), Error> {
        match key {
            Some(key) => self.service_command(Command::Zero, key, None),
            None => self.change(IpvsMessage::new(Command::Zero, Vec::new())),
        }
        .map_err(|failure| {
            let service = key.cloned();
            failure.during(Operation::Zero { service })
        })
    }

    /// Gives every service and its servers to `take`. A service that goes
    /// away before its servers are read is left out.
    fn walk(&mut self, mut take: impl FnMut(ServiceEntry, Vec<DestEntry>)) -> Result<(), Error> {
        for entry in self.service_entries()? {
            match self.server_entries(&entry.key) {
                Ok(servers) => take(entry, servers),
                Err(error) if error.reason() == Some(&Reason::NoSuchService) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn service_entries(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        let message = self.addressed(IpvsMessage::new(Command::GetService, Vec::new()));
        let read = |answer: GenlMessage<IpvsMessage>| service_entry(answer.payload.attributes);
        listing::of_many(&mut self.conversation, &message, read, |entry| {
            entry.key.clone()
        })
        .map_err(|failure| failure.during(Operation::ListServices))
    }

    /// For a service that does not exist the kernel dumps nothing, and calls
    /// that a success; so where nothing came, the service is looked for.
    fn server_entries(&mut self, key: &ServiceKey) -> Result<Vec<DestEntry>, Error> {
        let named = || vec![CmdAttribute::Service(service::key(key))];
        let family = key.family();
        let message = self.addressed(IpvsMessage::new(Command::GetDest, named()));
        let read = |answer: GenlMessage<IpvsMessage>| dest_entry(answer.payload.attributes, family);
        let entries = listing::of_few(&mut self.conversation, &message, read, |entry| {
            entry.address
        })
        .map_err(|failure| {
            let service = key.clone();
            failure.during(Operation::ListServers { service })
        })?;
        if entries.is_empty() {
            let message = IpvsMessage::new(Command::GetService, named());
            self.ask(message, service_entry).map_err(|failure| {
                let service = key.clone();
                failure.during(Operation::GetService { service })
            })?;
        }
        Ok(entries)
    }

    fn service_command(
        &mut self,
        command: Command,
        key: &ServiceKey,
        service: Option<&Service>,
    ) -> Result<(), Failure> {
        check_key(key)?;
        let attributes = match service {
            Some(service) => service::whole(key, service),
            None => service::key(key),
        };
        self.change(IpvsMessage::new(
            command,
            vec![CmdAttribute::Service(attributes)],
        ))
    }

    fn server_command(
        &mut self,
        command: Command,
        key: &ServiceKey,
        address: SocketAddr,
        server: Option<&Server>,
    ) -> Result<(), Failure> {
        check_key(key)?;
        let attributes = match server {
            Some(server) => destination::whole(address, server),
            None => destination::key(address),
        };
        self.change(IpvsMessage::new(
            command,
            vec![
                CmdAttribute::Service(service::key(key)),
                CmdAttribute::Dest(attributes),
            ],
        ))
    }

    pub(super) fn ask<V>(
        &mut self,
        message: IpvsMessage,
        mut read: impl FnMut(Attributes) -> Result<V, Failure>,
    ) -> Result<Vec<V>, Failure> {
        let message = self.addressed(message);
        let read = |answer: GenlMessage<IpvsMessage>| read(answer.payload.attributes);
        self.conversation.ask(message, read)
    }

    pub(super) fn change(&mut self, message: IpvsMessage) -> Result<(), Failure> {
        let message = self.addressed(message);
        self.conversation.change(message)
    }

    fn addressed(&self, message: IpvsMessage) -> GenlMessage<IpvsMessage> {
        let mut message = GenlMessage::from_payload(message);
        message.set_resolved_family_id(self.family);
        message
    }
}

fn service_entry(attributes: Attributes) -> Result<ServiceEntry, Failure> {
    first(attributes, |attribute| match attribute {
        CmdAttribute::Service(attributes) => Some(attributes),
        _ => None,
    })
    .ok_or_else(|| Failure::missing("IPVS_CMD_ATTR_SERVICE"))
    .and_then(|attributes: Vec<SvcAttribute>| ServiceEntry::read(attributes))
}

fn dest_entry(attributes: Attributes, service: Family) -> Result<DestEntry, Failure> {
    first(attributes, |attribute| match attribute {
        CmdAttribute::Dest(attributes) => Some(attributes),
        _ => None,
    })
    .ok_or_else(|| Failure::missing("IPVS_CMD_ATTR_DEST"))
    .and_then(|attributes| DestEntry::read(attributes, service))
}

pub(super) fn first<V>(
    attributes: Attributes,
    pick: impl FnMut(CmdAttribute) -> Option<V>,
) -> Option<V> {
    match attributes {
        Attributes::Cmd(attributes) => attributes.into_iter().find_map(pick),
        Attributes::Info(_) => None,
    }
}

/// The kernel takes mark 0 for the service of TCP at no address.
fn check_key(key: &ServiceKey) -> Result<(), Failure> {
    match key {
        ServiceKey::Fwmark { mark: 0, .. } => Err(Failure::Refused(Reason::FwmarkZero)),
        _ => Ok(()),
    }
}

/// What the kernel would cut at a NUL, or refuse without a word.
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
