// SPDX-License-Identifier: GPL-2.0-only
//! Drains a server: sets its weight to 0 and watches the connections that are left.
//!
//! The lock is held for each change but not while waiting, which can take hours. So each
//! look also finds out what other programs did in the meantime.

use std::fs;
use std::net::SocketAddr;

use serde::Serialize;

use super::open_connections::open_connections;
use super::target::{Target, find};
use super::weight::change_weight;
use super::{Error, Lock};
use crate::ipvs_netlink::Ipvs;
use crate::kmod::proc;
use crate::model::{Protocol, Service, ServiceKey, refuses_at_weight_0};

/// The sysctl of the caller's network namespace.
const EXPIRE_QUIESCENT_TEMPLATE: &str = "/proc/sys/net/ipv4/vs/expire_quiescent_template";

pub struct Drain {
    ipvs: Ipvs,
    service: ServiceKey,
    server: SocketAddr,
}

/// The connections that a server still has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Connections to wait for: open, or closed by one side only. For UDP, all.
    pub connections: u32,
    /// Connections closed by both sides. IPVS remembers them for a while.
    pub closed: u32,
    /// Clients that a persistent service remembers.
    pub templates: u32,
}

/// The result of one look at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Left(Left),
    /// Another program gave the server this weight.
    Weight(u32),
    /// Another program removed the server or its service.
    Gone,
}

/// A reason for the operator to be careful before waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caution {
    /// No other server of the service has a weight.
    LastServer,
    /// The scheduler still chooses the server, and then refuses the client.
    Refuses { scheduler: String },
    /// Remembered clients keep coming to the server. In seconds.
    Persistent { timeout: u32 },
    /// How long IPVS remembers a UDP connection. In seconds.
    Udp { timeout: Option<u32> },
}

/// A drain that has begun, the server's weight before it, and the cautions.
pub struct StartedDrain {
    pub drain: Drain,
    pub weight_before: u32,
    pub cautions: Vec<Caution>,
}

impl Drain {
    /// Sets the weight to 0. The caller holds the lock. `removes`: the server will be
    /// removed at the end. This is refused if another program made the service.
    pub fn begin(
        service: &ServiceKey,
        server: SocketAddr,
        removes: bool,
    ) -> Result<StartedDrain, Error> {
        if removes {
            refuse_others(service)?;
        }
        let mut ipvs = Ipvs::connect()?;
        let target = find(&mut ipvs, service, server)?;
        let cautions = cautions(&mut ipvs, service, server, &target.service)?;
        change_weight(&mut ipvs, service, server, &target, 0)?;
        Ok(StartedDrain {
            drain: Drain {
                ipvs,
                service: service.clone(),
                server,
            },
            weight_before: target.server.weight,
            cautions,
        })
    }

    pub fn look(&mut self) -> Result<Look, Error> {
        match find(&mut self.ipvs, &self.service, self.server) {
            Ok(target) if target.server.weight != 0 => Ok(Look::Weight(target.server.weight)),
            Ok(target) => Ok(Look::Left(self.left(&target)?)),
            Err(Error::NoSuchService { .. } | Error::NoSuchServer { .. }) => Ok(Look::Gone),
            Err(error) => Err(error),
        }
    }

    /// Removes the server, unless a look under the lock finds connections or changes by
    /// other programs. Returns that look, or `None` if another process holds the lock.
    pub fn remove(&mut self) -> Result<Option<Look>, Error> {
        let Some(_lock) = Lock::try_take()? else {
            return Ok(None);
        };
        let look = self.look()?;
        if let Look::Left(Left { connections: 0, .. }) = look {
            self.ipvs.remove_server(&self.service, self.server)?;
        }
        Ok(Some(look))
    }

    fn left(&self, target: &Target) -> Result<Left, Error> {
        let counted = target.connections;
        let all = counted.active.saturating_add(counted.inactive);
        let connections = if is_udp(&self.service) || counted.inactive == 0 {
            all
        } else {
            // The counters and the table were not read at the same moment.
            let open_connections = open_connections(&self.service, self.server)?;
            u32::try_from(open_connections)
                .unwrap_or(u32::MAX)
                .clamp(counted.active, all)
        };
        Ok(Left {
            connections,
            closed: all - connections,
            templates: counted.persistent,
        })
    }
}

/// Refuses a service that another program made and a rule covers.
fn refuse_others(service: &ServiceKey) -> Result<(), Error> {
    let mut lines = proc::full_nat()?.into_iter();
    if lines.any(|line| line.key == *service && line.is_listed()) {
        return Ok(());
    }
    let mut rules = proc::rules()?.into_keys();
    match rules.find(|rule| rule.covers(service)) {
        Some(rule) => Err(Error::OthersService {
            service: service.clone(),
            rule: Box::new(rule),
        }),
        None => Ok(()),
    }
}

fn is_udp(service: &ServiceKey) -> bool {
    matches!(
        service,
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        }
    )
}

fn cautions(
    ipvs: &mut Ipvs,
    key: &ServiceKey,
    server: SocketAddr,
    service: &Service,
) -> Result<Vec<Caution>, Error> {
    let mut cautions = Vec::new();
    let others = || {
        service
            .servers
            .iter()
            .filter(|(address, _)| **address != server)
    };
    let scheduler = service.scheduler.as_str();
    if others().all(|(_, other)| other.weight == 0) {
        cautions.push(Caution::LastServer);
    } else if refuses_at_weight_0(scheduler, service.scheduler_flags) {
        cautions.push(Caution::Refuses {
            scheduler: scheduler.to_owned(),
        });
    }
    if let Some(persistence) = &service.persistence
        && !expires_quiescent_templates()
    {
        cautions.push(Caution::Persistent {
            timeout: persistence.timeout,
        });
    }
    if is_udp(key) {
        let timeout = ipvs.timeouts()?.udp;
        cautions.push(Caution::Udp { timeout });
    }
    Ok(cautions)
}

/// False if the sysctl cannot be read: off is the kernel's default.
fn expires_quiescent_templates() -> bool {
    fs::read_to_string(EXPIRE_QUIESCENT_TEMPLATE).is_ok_and(|value| value.trim() != "0")
}
