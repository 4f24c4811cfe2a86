// SPDX-License-Identifier: GPL-2.0-only
//! The operations of the kernel's IPVS.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use netlink_packet_generic::GenlMessage;

use super::change::Change;
use super::conversation::{Conversation, Question};
use super::destination::DestEntry;
use super::error::{Error, Failure, Operation, Reason};
use super::family::{self, FamilyId};
use super::info::Info;
use super::listing;
use super::message::{Attributes, CmdAttribute, Command, IpvsMessage};
use super::service::{self, ServiceEntry, SvcAttribute};
use super::socket::{KernelSocket, Transport};
use super::statistics::ServiceStatistics;
use crate::model::{Family, Server, Service, ServiceKey};

/// The buffer size of small dumps. The kernel makes a dump's datagram as large as the
/// buffer, and zeroes all of it (`CONFIG_INIT_ON_ALLOC_DEFAULT_ON`), even if little goes
/// in. This size fits about 17 servers, and takes 8 KiB with `skb_shared_info`.
const FEW: usize = 7872;

/// The number of changes in one datagram. If all are refused, the answers still fit in
/// the receive buffer of a user without root rights. The requests (about 200 bytes each)
/// fit in the send buffer.
const IN_FLIGHT: usize = 128;

/// IPVS of one network namespace: the one in which the socket was opened.
pub struct Ipvs<T = KernelSocket> {
    conversation: Conversation<T>,
    /// For dumps that fit in a small datagram. Opened on first use.
    few: Option<Conversation<T>>,
    family: u16,
}

impl Ipvs {
    /// Fails with [`Reason::NoFamily`] if the kernel has no IPVS.
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
            .ask(family::request(), Question::One, read)
            .map_err(|failure| failure.during(Operation::FindFamily))?;
        let family =
            answers.into_iter().flatten().next().ok_or_else(|| {
                Failure::missing("CTRL_ATTR_FAMILY_ID").during(Operation::FindFamily)
            })?;
        Ok(Ipvs {
            conversation,
            few: None,
            family,
        })
    }

    pub fn info(&mut self) -> Result<Info, Error> {
        let message = IpvsMessage::new(Command::GetInfo, Vec::new());
        self.ask(message, Question::One, |attributes| match attributes {
            Attributes::Info(attributes) => Info::read(&attributes),
            Attributes::Cmd(_) => Err(Failure::missing("IPVS_CMD_SET_INFO")),
        })
        .and_then(|answers| {
            let first = answers.into_iter().next();
            first.ok_or_else(|| Failure::missing("IPVS_CMD_SET_INFO"))
        })
        .map_err(|failure| failure.during(Operation::GetInfo))
    }

    /// All services with their servers. The list is complete even if other programs make
    /// changes during the call, here or in another network namespace. An object that is
    /// changed during the call is seen as it was before or after that.
    pub fn services(&mut self) -> Result<BTreeMap<ServiceKey, Service>, Error> {
        let mut services = BTreeMap::new();
        self.walk(|entry, servers| {
            services.insert(entry.key, with_servers(entry.service, servers));
            Ok(())
        })?;
        Ok(services)
    }

    /// The keys of the services. One listing, however many servers they have.
    pub fn service_keys(&mut self) -> Result<BTreeSet<ServiceKey>, Error> {
        let entries = self.service_entries()?;
        Ok(entries.into_iter().map(|entry| entry.key).collect())
    }

    /// All services with their counters, rates and connections. Both parts of a service are from
    /// the same moment.
    pub fn services_with_statistics(
        &mut self,
    ) -> Result<BTreeMap<ServiceKey, (Service, ServiceStatistics)>, Error> {
        let mut services = BTreeMap::new();
        self.walk(|entry, servers| {
            let key = entry.key.clone();
            services.insert(key, with_statistics(entry, servers)?);
            Ok(())
        })?;
        Ok(services)
    }

    /// A service with its servers, if it exists.
    pub fn service(&mut self, key: &ServiceKey) -> Result<Option<Service>, Error> {
        let found = self.entries(key)?;
        Ok(found.map(|(entry, servers)| with_servers(entry.service, servers)))
    }

    pub fn service_with_statistics(
        &mut self,
        key: &ServiceKey,
    ) -> Result<Option<(Service, ServiceStatistics)>, Error> {
        self.entries(key)?
            .map(|(entry, servers)| with_statistics(entry, servers))
            .transpose()
            .map_err(|failure| {
                let service = key.clone();
                failure.during(Operation::GetService { service })
            })
    }

    /// Carries out changes in order, many in one datagram. Each succeeds or fails by
    /// itself: a refused change does not stop later ones. Returns the results in the same
    /// order.
    pub fn carry_out(&mut self, changes: &[Change]) -> Vec<Result<(), Error>> {
        changes
            .chunks(IN_FLIGHT)
            .flat_map(|changes| {
                let messages = changes.iter().map(|change| {
                    let message = change.message()?;
                    Ok(self.with_family_id(message))
                });
                let messages = messages.collect();
                let results = self.conversation.change_many(messages);
                let errors = changes.iter().zip(results).map(|(change, result)| {
                    result.map_err(|failure| failure.during(change.operation()))
                });
                errors.collect::<Vec<_>>()
            })
            .collect()
    }

    fn apply(&mut self, change: Change) -> Result<(), Error> {
        change
            .message()
            .and_then(|message| self.change(message))
            .map_err(|failure| failure.during(change.operation()))
    }

    pub fn add_service(&mut self, key: &ServiceKey, service: &Service) -> Result<(), Error> {
        self.apply(Change::AddService(key, service))
    }

    pub fn change_service(&mut self, key: &ServiceKey, service: &Service) -> Result<(), Error> {
        self.apply(Change::ChangeService(key, service))
    }

    pub fn remove_service(&mut self, key: &ServiceKey) -> Result<(), Error> {
        self.apply(Change::RemoveService(key))
    }

    pub fn add_server(
        &mut self,
        key: &ServiceKey,
        address: SocketAddr,
        server: &Server,
    ) -> Result<(), Error> {
        self.apply(Change::AddServer(key, address, server))
    }

    pub fn change_server(
        &mut self,
        key: &ServiceKey,
        address: SocketAddr,
        server: &Server,
    ) -> Result<(), Error> {
        self.apply(Change::ChangeServer(key, address, server))
    }

    pub fn remove_server(&mut self, key: &ServiceKey, address: SocketAddr) -> Result<(), Error> {
        self.apply(Change::RemoveServer(key, address))
    }

    /// Removes all services and servers.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.change(IpvsMessage::new(Command::Flush, Vec::new()))
            .map_err(|failure| failure.during(Operation::Flush))
    }

    /// Zeroes the counters of a service and its servers. `None`: those of all services
    /// and the totals of the namespace.
    pub fn zero(&mut self, key: Option<&ServiceKey>) -> Result<(), Error> {
        let named = key.map(|key| CmdAttribute::Service(service::key(key)));
        self.change(IpvsMessage::new(Command::Zero, named.into_iter().collect()))
            .map_err(|failure| {
                let service = key.cloned();
                failure.during(Operation::Zero { service })
            })
    }

    /// Passes every service and its servers to `take`. Skips a service that is removed
    /// before its servers are read.
    fn walk(
        &mut self,
        mut take: impl FnMut(ServiceEntry, Vec<DestEntry>) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        for entry in self.service_entries()? {
            match self.server_entries(&entry.key) {
                Ok(servers) => take(entry, servers)
                    .map_err(|failure| failure.during(Operation::ListServices))?,
                Err(error) if error.reason() == Some(&Reason::NoSuchService) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// A service (without its servers) and its servers, if it exists.
    fn entries(
        &mut self,
        key: &ServiceKey,
    ) -> Result<Option<(ServiceEntry, Vec<DestEntry>)>, Error> {
        let mut read = || Ok((self.service_entry(key)?, self.server_entries(key)?));
        match read() {
            Ok(entries) => Ok(Some(entries)),
            Err(error) if Error::reason(&error) == Some(&Reason::NoSuchService) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn service_entries(&mut self) -> Result<Vec<ServiceEntry>, Error> {
        let message = self.with_family_id(IpvsMessage::new(Command::GetService, Vec::new()));
        let read = |answer: GenlMessage<IpvsMessage>| service_entry(answer.payload.attributes);
        listing::list_long(&mut self.conversation, &message, read, |entry| {
            entry.key.clone()
        })
        .map_err(|failure| failure.during(Operation::ListServices))
    }

    /// For a service that does not exist the kernel sends an empty dump and reports
    /// success. So if the dump is empty, this checks that the service exists.
    fn server_entries(&mut self, key: &ServiceKey) -> Result<Vec<DestEntry>, Error> {
        let named = vec![CmdAttribute::Service(service::key(key))];
        let family = key.family();
        let message = self.with_family_id(IpvsMessage::new(Command::GetDest, named));
        let read = |answer: GenlMessage<IpvsMessage>| dest_entry(answer.payload.attributes, family);
        let few = match &mut self.few {
            Some(few) => Ok(few),
            none => (self.conversation.another(FEW, FEW)).map(|few| none.insert(few)),
        };
        let entries = few
            .and_then(|few| {
                listing::list_short(few, &mut self.conversation, &message, read, |entry| {
                    entry.address
                })
            })
            .map_err(|failure| {
                let service = key.clone();
                failure.during(Operation::ListServers { service })
            })?;
        if entries.is_empty() {
            self.service_entry(key)?;
        }
        Ok(entries)
    }

    fn service_entry(&mut self, key: &ServiceKey) -> Result<ServiceEntry, Error> {
        let named = vec![CmdAttribute::Service(service::key(key))];
        let message = IpvsMessage::new(Command::GetService, named);
        self.ask(message, Question::One, service_entry)
            .and_then(|answers| {
                let first = answers.into_iter().next();
                first.ok_or_else(|| Failure::missing("IPVS_CMD_NEW_SERVICE"))
            })
            .map_err(|failure| {
                let service = key.clone();
                failure.during(Operation::GetService { service })
            })
    }

    pub(super) fn ask<V>(
        &mut self,
        message: IpvsMessage,
        question: Question,
        mut read: impl FnMut(Attributes) -> Result<V, Failure>,
    ) -> Result<Vec<V>, Failure> {
        let message = self.with_family_id(message);
        let read = |answer: GenlMessage<IpvsMessage>| read(answer.payload.attributes);
        self.conversation.ask(message, question, read)
    }

    pub(super) fn change(&mut self, message: IpvsMessage) -> Result<(), Failure> {
        let message = self.with_family_id(message);
        self.conversation.change(message)
    }

    fn with_family_id(&self, message: IpvsMessage) -> GenlMessage<IpvsMessage> {
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

fn with_servers(mut service: Service, servers: Vec<DestEntry>) -> Service {
    service.servers = servers
        .into_iter()
        .map(|entry| (entry.address, entry.server))
        .collect();
    service
}

fn with_statistics(
    entry: ServiceEntry,
    servers: Vec<DestEntry>,
) -> Result<(Service, ServiceStatistics), Failure> {
    let mut statistics = ServiceStatistics {
        counters: entry.counters()?,
        servers: BTreeMap::new(),
    };
    let mut service = entry.service;
    for server in servers {
        let now = server.statistics()?;
        service.servers.insert(server.address, server.server);
        statistics.servers.insert(server.address, now);
    }
    Ok((service, statistics))
}
