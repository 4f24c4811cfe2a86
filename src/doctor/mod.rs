// SPDX-License-Identifier: GPL-2.0-only
//! Checks a host: pure functions from facts to findings, one file for each
//! subject. [`read`] collects the facts.

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
mod routing_rules;
mod rules;
mod running;
mod sysctls;
mod toa;

use std::net::IpAddr;

use crate::director::{Listeners, LocalAddresses};
use crate::model::{Family, Forward, ServiceKey, State};

pub use file::Compared;
pub use finding::{Finding, Severity, groups};

/// The facts of a host, and its wanted state.
pub struct Facts {
    /// The state of the file, or the running state.
    pub wanted: State,
    /// The comparison with the file.
    /// `None`: the user did not name a file.
    pub file: Option<Compared>,
    pub running: running::Running,
    pub kernel: kernel::Kernel,
    pub module: module::Module,
    pub sysctls: sysctls::Sysctls,
    pub links: links::Links,
    pub attachments: interfaces::Attachments,
    pub local: LocalAddresses,
    pub routes: routes::Routes,
    pub routing_rules: routing_rules::Rules,
    pub firewall: firewall::Rules,
    pub apps: Vec<apps::App>,
    pub receiver: toa::Receiver,
    pub listeners: Listeners,
}

/// Returns the findings. Errors come first, then the order follows a packet.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    // A server needs neither IPVS nor the module.
    if toa::is_all(&facts.wanted) {
        kernel::check_ebpf_support(facts, &mut findings);
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
    routing_rules::findings(facts, &mut findings);
    ports::findings(facts, &mut findings);
    firewall::findings(facts, &mut findings);
    apps::findings(facts, &mut findings);
    toa::findings(facts, &mut findings);
    rules::findings(facts, &mut findings);
    running::findings(facts, &mut findings);
    file::findings(facts, &mut findings);
    findings.sort_by_key(|finding| finding.severity);
    findings
}

impl Facts {
    /// The command that applies the file, or the default one.
    fn apply(&self) -> &str {
        let file = self.file.as_ref();
        file.map_or("ipvs-bpf apply", |file| &file.apply)
    }

    /// True if IPVS synchronises connections with another director, or will by the file.
    /// VRRP then assigns addresses to one of the two.
    fn is_of_pair(&self) -> bool {
        let by_file = self.wanted.sync.as_ref();
        let by_file = by_file.is_some_and(|sync| sync.master.is_some() || sync.backup.is_some());
        by_file || self.running.syncs
    }

    fn has_full_nat(&self) -> bool {
        !self.wanted.full_nat.is_empty() || !self.wanted.rules.is_empty()
    }

    fn has_service_of(&self, family: Family) -> bool {
        let mut services = self.wanted.services.keys();
        services.any(|key| key.family() == family)
            || self.wanted.rules.keys().any(|rule| rule.family() == family)
    }

    /// Returns the pool of a full-NAT service, which is listed or under a rule.
    /// `None`: the service is native.
    fn pool_of(&self, key: &ServiceKey) -> Option<&String> {
        let by_rule = || Some(self.wanted.rule_of(key)?.1);
        let full_nat = self.wanted.full_nat.get(key).or_else(by_rule)?;
        Some(&full_nat.pool)
    }

    /// True if native IPVS rewrites addresses for any service.
    fn has_native_masq(&self) -> bool {
        self.has_native_masq_of(Family::Ipv4) || self.has_native_masq_of(Family::Ipv6)
    }

    fn has_native_masq_of(&self, family: Family) -> bool {
        self.wanted.services.iter().any(|(key, service)| {
            key.family() == family
                && self.pool_of(key).is_none()
                && service
                    .servers
                    .values()
                    .any(|server| server.forward == Forward::Masq)
        })
    }

    /// Returns the interfaces that carry the programs in the wanted state.
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
