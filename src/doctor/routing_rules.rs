// SPDX-License-Identifier: GPL-2.0-only
//! Checks the rules that choose a routing table (`ip rule`).

use super::finding::Severity::Note;
use super::{Facts, Finding};
use crate::model::Family;

/// The rules that match on the interface that packets came in at.
pub type Rules = Vec<Rule>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub family: Family,
    pub priority: u32,
    pub interface: String,
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    if !facts.has_full_nat() {
        return;
    }
    for rule in &facts.routing_rules {
        let ip = match rule.family {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ip -6",
        };
        findings.push(Finding::about(
            format_args!("{ip} rule {}", rule.priority),
            Note,
            "rule-iif",
            format!(
                "the rule {} of `{ip} rule` is for packets that came in at {}",
                rule.priority, rule.interface
            ),
            "full NAT sends packets as this host does, so the rule matches none of them",
            format!(
                "nothing, if the rule is for other traffic; else use from, to or fwmark: {ip} rule help"
            ),
        ));
    }
}
