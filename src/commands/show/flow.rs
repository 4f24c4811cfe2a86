// SPDX-License-Identifier: GPL-2.0-only
//! Filters connections and sessions by service and server.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::super::Error;
use super::query::Filter;
use crate::director;
use crate::model::{Protocol, ServiceKey};

pub(super) struct FlowFilter<'a> {
    filter: &'a Filter,
    /// Services with their own port. They take the flows of that port from a
    /// service with port 0.
    others: BTreeSet<ServiceKey>,
}

impl<'a> FlowFilter<'a> {
    pub fn new(filter: &'a Filter) -> Result<Self, Error> {
        let mut others = BTreeSet::new();
        for key in &filter.services {
            match key {
                ServiceKey::Address { address, .. } if address.port() != 0 => {}
                ServiceKey::Address { .. } => others = director::running_service_keys()?,
                ServiceKey::Fwmark { .. } => {
                    return Err(Error::Usage(format!(
                        "IPVS does not list the firewall mark {key} of a connection; name a server \
                         with --server"
                    )));
                }
            }
        }
        Ok(FlowFilter { filter, others })
    }

    pub fn takes(&self, protocol: Option<Protocol>, vip: SocketAddr, server: SocketAddr) -> bool {
        let services = &self.filter.services;
        self.filter.server(&server)
            && (services.is_empty()
                || protocol.is_some_and(|protocol| {
                    services.iter().any(|key| self.is_of(key, protocol, vip))
                }))
    }

    fn is_of(&self, key: &ServiceKey, flow: Protocol, vip: SocketAddr) -> bool {
        let ServiceKey::Address { protocol, address } = key else {
            return false;
        };
        let exact = || ServiceKey::Address {
            protocol: flow,
            address: vip,
        };
        *protocol == flow
            && (*address == vip
                || (address.port() == 0
                    && address.ip() == vip.ip()
                    && !self.others.contains(&exact())))
    }

    /// Returns an error if the service or the server does not exist. Called
    /// when nothing was found.
    pub fn check_names(&self) -> Result<(), Error> {
        if self.filter.is_empty() {
            return Ok(());
        }
        let services = self.filter.running_services()?;
        self.filter.check(&services, director::running_service_keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> ServiceKey {
        ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: address.parse().unwrap(),
        }
    }

    fn takes(filter: &FlowFilter, protocol: Option<Protocol>, vip: &str) -> bool {
        filter.takes(
            protocol,
            vip.parse().unwrap(),
            "10.2.0.2:80".parse().unwrap(),
        )
    }

    #[test]
    fn a_service_of_port_0_has_the_flows_that_no_other_service_has() {
        let asked = Filter {
            services: vec![key("10.0.0.1:0")],
            servers: Vec::new(),
        };
        let filter = FlowFilter {
            filter: &asked,
            others: [key("10.0.0.1:0"), key("10.0.0.1:443")].into(),
        };
        let tcp = Some(Protocol::Tcp);
        assert!(takes(&filter, tcp, "10.0.0.1:80"));
        assert!(takes(&filter, tcp, "10.0.0.1:0"), "a template");
        assert!(!takes(&filter, tcp, "10.0.0.1:443"));
        assert!(!takes(&filter, tcp, "10.0.0.2:80"));
        assert!(!takes(&filter, Some(Protocol::Udp), "10.0.0.1:80"));
        assert!(!takes(&filter, None, "10.0.0.1:80"));
    }

    #[test]
    fn services_and_servers_must_both_match() {
        let asked = Filter {
            services: vec![key("10.0.0.1:80")],
            servers: vec!["10.2.0.3:80".parse().unwrap()],
        };
        let filter = FlowFilter::new(&asked).unwrap();
        assert!(!takes(&filter, Some(Protocol::Tcp), "10.0.0.1:80"));
        let asked = Filter {
            servers: vec!["10.2.0.2:80".parse().unwrap()],
            ..asked
        };
        let filter = FlowFilter::new(&asked).unwrap();
        assert!(takes(&filter, Some(Protocol::Tcp), "10.0.0.1:80"));
        assert!(!takes(&filter, Some(Protocol::Tcp), "10.0.0.1:81"));
    }

    #[test]
    fn connections_cannot_be_filtered_by_mark() {
        let family = crate::model::Family::Ipv4;
        let asked = Filter {
            services: vec![ServiceKey::Fwmark { mark: 7, family }],
            servers: Vec::new(),
        };
        assert!(matches!(FlowFilter::new(&asked), Err(Error::Usage(_))));
    }
}
