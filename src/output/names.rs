// SPDX-License-Identifier: GPL-2.0-only
//! Names of addresses and ports, if they are known.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::model::{Protocol, ServiceKey};

/// An object that can have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nameless {
    Host(IpAddr),
    Port(u16, Protocol),
}

/// The known names. Other objects are printed as numbers.
#[derive(Clone, Debug, Default)]
pub struct Names(HashMap<Nameless, String>);

impl Names {
    pub fn insert(&mut self, what: Nameless, name: String) {
        self.0.insert(what, name);
    }

    pub fn contains(&self, what: &Nameless) -> bool {
        self.0.contains_key(what)
    }

    pub fn socket(&self, address: SocketAddr, protocol: Option<Protocol>) -> String {
        let host = self.0.get(&Nameless::Host(address.ip()));
        let port = protocol
            .and_then(|protocol| self.0.get(&Nameless::Port(address.port(), protocol)))
            .cloned()
            .unwrap_or_else(|| address.port().to_string());
        match (host, address) {
            (Some(host), _) => format!("{host}:{port}"),
            (None, SocketAddr::V4(address)) => format!("{}:{port}", address.ip()),
            (None, SocketAddr::V6(address)) => format!("[{}]:{port}", address.ip()),
        }
    }

    pub fn service(&self, key: &ServiceKey) -> String {
        match key {
            ServiceKey::Address { protocol, address } => {
                format!("{protocol}://{}", self.socket(*address, Some(*protocol)))
            }
            ServiceKey::Fwmark { .. } => key.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_without_a_name_are_numbers() {
        let mut names = Names::default();
        let service = |text: &str| ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: text.parse().unwrap(),
        };
        assert_eq!(names.service(&service("10.0.0.1:80")), "tcp://10.0.0.1:80");
        assert_eq!(
            names.service(&service("[fd00::1]:80")),
            "tcp://[fd00::1]:80"
        );
        names.insert(Nameless::Port(80, Protocol::Tcp), "http".to_owned());
        assert_eq!(
            names.service(&service("[fd00::1]:80")),
            "tcp://[fd00::1]:http"
        );
        let host = Nameless::Host("fd00::1".parse().unwrap());
        names.insert(host, "lb.example".to_owned());
        assert_eq!(
            names.service(&service("[fd00::1]:80")),
            "tcp://lb.example:http"
        );
        let udp = "[fd00::1]:80".parse().unwrap();
        assert_eq!(names.socket(udp, Some(Protocol::Udp)), "lb.example:80");
    }
}
