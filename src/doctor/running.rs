// SPDX-License-Identifier: GPL-2.0-only
//! Parts of full NAT that other tools took away while the rest runs.

use std::collections::BTreeSet;

use super::finding::Severity::{Error, Warning};
use super::{Facts, Finding};
use crate::model::ServiceKey;

#[derive(Clone, Debug, Default)]
pub struct Running {
    /// The module has them listed, and IPVS has no such service.
    pub unserved: BTreeSet<ServiceKey>,
    /// The programs work without their pins.
    pub lost_pins: bool,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for service in &facts.running.unserved {
        findings.push(Finding::about(
            service,
            Error,
            "service-missing",
            format!("{service} is registered for full NAT, and IPVS has no such service"),
            "its clients are refused",
            "ipvs-bpf apply",
        ));
    }
    if facts.running.lost_pins {
        findings.push(Finding::new(
            Warning,
            "pins-missing",
            "the eBPF programs work, but their pins are gone from /sys/fs/bpf",
            "their counters cannot be read",
            "ipvs-bpf apply",
        ));
    }
}
