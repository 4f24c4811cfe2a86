// SPDX-License-Identifier: GPL-2.0-only
//! Finds parts of full NAT that other tools removed while the rest runs.

use std::collections::BTreeSet;

use super::finding::Severity::{Error, Warning};
use super::{Facts, Finding};
use crate::model::ServiceKey;

#[derive(Clone, Debug, Default)]
pub struct Running {
    /// The services that the module has listed and IPVS does not have.
    pub unserved: BTreeSet<ServiceKey>,
    /// True if pins are lost. Programs in tc filters work without them.
    pub lost_pins: bool,
    /// The number of services that exist because of a rule.
    pub by_rule: usize,
    /// True if a sync daemon runs.
    pub syncs: bool,
    /// True if the module chooses local ports by a random secret.
    pub has_random_secret: bool,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for service in &facts.running.unserved {
        findings.push(Finding::about(
            service,
            Error,
            "service-missing",
            format!("{service} is registered for full NAT, and IPVS has no such service"),
            "its clients are refused",
            facts.apply(),
        ));
    }
    let Running {
        syncs,
        has_random_secret,
        ..
    } = facts.running;
    if syncs && has_random_secret && facts.has_full_nat() {
        findings.push(Finding::new(
            Warning,
            "sync-port-secret",
            "a sync daemon runs, and this director chooses local ports by a secret of its own",
            "the other director chooses other ports, so full-NAT connections break at a failover",
            format!(
                "write port_secret into [director], the same on both directors (openssl rand -hex \
                 16), then: {}",
                facts.apply()
            ),
        ));
    }
    if facts.running.lost_pins {
        findings.push(Finding::new(
            Warning,
            "pins-missing",
            "the eBPF programs' pins are gone from /sys/fs/bpf",
            "programs at tcx and XDP ended with them, and the counters cannot be read",
            facts.apply(),
        ));
    }
}
