// SPDX-License-Identifier: GPL-2.0-only
//! What is wrong with a host: facts → findings, pure, one file a subject.
//! [`read`] brings the facts.

mod addresses;
mod apps;
mod file;
mod finding;
mod firewall;
mod interfaces;
mod kernel;
mod links;
mod module;
mod ports;
pub mod read;
mod routes;
mod running;
mod sysctls;
mod toa;

use std::net::IpAddr;

use crate::director::LocalAddresses;
use crate::model::{Family, Forward, State};

pub use file::Compared;
pub use finding::{Finding, Severity, groups};

/// A host, and what it is to do.
pub struct Facts {
    /// Of the file, or what runs.
    pub wanted: State,
    /// `None`: no file was named.
    pub file: Option<Compared>,
    pub running: running::Running,
    pub kernel: kernel::Kernel,
    pub module: module::Module,
    pub sysctls: sysctls::Sysctls,
    pub links: links::Links,
    pub carriers: interfaces::Carriers,
    pub local: LocalAddresses,
    pub routes: routes::Routes,
    pub firewall: firewall::Rules,
    pub apps: Vec<apps::App>,
    pub receiver: toa::Receiver,
}

/// Errors first; otherwise in the order of a packet's way.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A server needs neither IPVS nor the module.
    if toa::is_all(&facts.wanted) {
        kernel::of_programs(facts, &mut findings);
        toa::findings(facts, &mut findings);
        file::findings(facts, &mut findings);
        findings.sort_by_key(|finding| finding.severity);
        return findings;
    }
    kernel::findings(facts, &mut findings);
    module::findings(facts, &mut findings);
    sysctls::findings(facts, &mut findings);
    interfaces::findings(facts, &mut findings);
    addresses::findings(facts, &mut findings);
    routes::findings(facts, &mut findings);
    ports::findings(facts, &mut findings);
    firewall::findings(facts, &mut findings);
    apps::findings(facts, &mut findings);
    toa::findings(facts, &mut findings);
    running::findings(facts, &mut findings);
    file::findings(facts, &mut findings);
    findings.sort_by_key(|finding| finding.severity);
    findings
}

impl Facts {
    fn has_full_nat(&self) -> bool {
        !self.wanted.full_nat.is_empty()
    }

    /// Whether native IPVS rewrites addresses for any service.
    fn has_native_masq(&self) -> bool {
        self.has_native_masq_of(Family::Ipv4) || self.has_native_masq_of(Family::Ipv6)
    }

    fn has_native_masq_of(&self, family: Family) -> bool {
        self.wanted.services.iter().any(|(key, service)| {
            key.family() == family
                && !self.wanted.full_nat.contains_key(key)
                && service
                    .servers
                    .values()
                    .any(|server| server.forward == Forward::Masq)
        })
    }

    /// The interfaces that are to carry the programs.
    fn interfaces(&self) -> impl Iterator<Item = &String> {
        let datapath = self.wanted.datapath.iter();
        datapath.flat_map(|datapath| &datapath.interfaces)
    }

    fn local_ips_of(&self, pool: &str, family: Family) -> Vec<IpAddr> {
        let of_pool = self
            .wanted
            .local_ips
            .keys()
            .filter(|local_ip| local_ip.pool == pool && Family::of(local_ip.address) == family);
        of_pool.map(|local_ip| local_ip.address).collect()
    }
}

#[cfg(test)]
mod tests;
