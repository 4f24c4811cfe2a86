// SPDX-License-Identifier: GPL-2.0-only
//! Checks other IPVS applications (`ip_vs_ftp`). A port can have only one
//! application.

use super::finding::Severity::Error;
use super::{Facts, Finding};
use crate::model::{Protocol, ServiceKey};

/// A line of `/proc/net/ip_vs_app`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub protocol: Protocol,
    pub port: u16,
    pub name: String,
}

impl App {
    /// True if the application uses the port of the service.
    pub fn holds(&self, key: &ServiceKey) -> bool {
        match key {
            ServiceKey::Address { protocol, address } => {
                self.protocol == *protocol && self.port == address.port()
            }
            ServiceKey::Fwmark { .. } => false,
        }
    }
}

/// The name of the module's applications.
const OURS: &str = "ip_vs_bpf";

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for key in facts.wanted.full_nat.keys() {
        if let Some(app) = facts.apps.iter().find(|app| app.holds(key)) {
            findings.push(Finding::about(
                key,
                Error,
                "port-of-other-app",
                format!("the IPVS application {} holds the port of {key}", app.name),
                "a port can have only one application, and full NAT needs its own: apply refuses \
                 the service",
                format!(
                    "modprobe -r ip_vs_{}, or remove snat from the service",
                    app.name
                ),
            ));
        }
    }
}

/// Parses a line such as "TCP  21      0      ftp".
/// `None`: an application of the module, or a line of another form.
pub fn app(line: &str) -> Option<App> {
    let mut words = line.split_whitespace();
    let protocol = match words.next()? {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        _ => return None,
    };
    let port = words.next()?.parse().ok()?;
    let name = words.nth(1)?;
    if name.starts_with(OURS) {
        return None;
    }
    Some(App {
        protocol,
        port,
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_modules_applications_are_read_and_ours_are_not() {
        let ftp = App {
            protocol: Protocol::Tcp,
            port: 21,
            name: "ftp".to_owned(),
        };
        assert_eq!(app("TCP  21      0      ftp              "), Some(ftp));
        assert_eq!(app("TCP  80      3      ip_vs_bpf        "), None);
        assert_eq!(app("prot port    usecnt name"), None);
    }
}
