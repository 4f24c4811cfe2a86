// SPDX-License-Identifier: GPL-2.0-only
//! Checks rules, and the services that other programs have under them.

use super::finding::Severity::{Error, Note};
use super::{Facts, Finding};
use crate::model::{Forward, Protocol, Rule, Service, ServiceKey};

/// `RULE_SERVICES_MAX` (kmod/session/rule_services.c).
const MOST_SERVICES: usize = 16_384;

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    for rule in facts.wanted.rules.keys() {
        unserved(facts, rule, findings);
        own_sockets(facts, rule, findings);
    }
    for (key, service) in &facts.wanted.services {
        if facts.pool_of(key).is_some()
            && let Some(native) = native(facts, key, service)
        {
            findings.push(native);
        }
    }
    if facts.running.by_rule >= MOST_SERVICES {
        findings.push(Finding::new(
            Error,
            "rule-services-full",
            format!(
                "{} services are made by rules, marks and services of every port, which is the \
                 limit",
                facts.running.by_rule
            ),
            "a connection to any other destination of these is refused until some have ended",
            "narrow `addresses` and `ports` of the rules to those of the services, and mark \
             fewer destinations",
        ));
    }
}

fn unserved(facts: &Facts, rule: &Rule, findings: &mut Vec<Finding>) {
    // The addresses of a firewall mark are not known.
    let is_under = |key: &ServiceKey| {
        rule.covers(key)
            || matches!(key, ServiceKey::Fwmark { family, .. } if *family == rule.family())
    };
    if facts.wanted.services.keys().any(is_under) {
        return;
    }
    findings.push(Finding::about(
        rule,
        Note,
        "rule-unserved",
        format!("IPVS has no service under the rule for {rule}"),
        "another program adds services under a rule, and has added none",
        "check whether it runs, and with which addresses: ipvsadm -Ln",
    ));
}

fn own_sockets(facts: &Facts, rule: &Rule, findings: &mut Vec<Finding>) {
    for address in facts.listeners.covered(rule, &facts.local) {
        findings.push(Finding::about(
            address,
            Note,
            "rule-host-socket",
            format!("the rule for {rule} covers {address}, where this host itself listens"),
            "nothing changes for it until another program adds an IPVS service there",
            "restrict `ports` and `addresses` of the rule to those of the services",
        ));
    }
}

/// Reports a service that is wanted as full NAT but has native connections.
fn native(facts: &Facts, key: &ServiceKey, service: &Service) -> Option<Finding> {
    let by_rule = !facts.wanted.full_nat.contains_key(key);
    let app = facts.apps.iter().find(|app| app.holds(key));
    let others = service.servers.values();
    let others = others
        .filter(|server| server.forward != Forward::Masq)
        .count();
    let (why, cure) = if service.one_packet && is_udp(key) {
        (
            "it is scheduled packet by packet, and such a connection ends with its packet"
                .to_owned(),
            "turn one-packet scheduling off in the program that adds the service".to_owned(),
        )
    } else if let Some(app) = app.filter(|_| by_rule) {
        (
            format!(
                "the IPVS application {} holds its port, and a port can have only one",
                app.name
            ),
            format!(
                "modprobe -r ip_vs_{}, or remove the port from the rule",
                app.name
            ),
        )
    } else if others > 0 {
        (
            format!(
                "{others} of its {} servers are not masqueraded",
                service.servers.len()
            ),
            "masquerade them in the program that adds them (keepalived: lb_kind NAT)".to_owned(),
        )
    } else {
        return None;
    };
    Some(Finding::about(
        key,
        Note,
        "full-nat-native",
        format!("some or all connections of {key} stay native"),
        why,
        cure,
    ))
}

fn is_udp(key: &ServiceKey) -> bool {
    !matches!(key, ServiceKey::Address { protocol, .. } if *protocol != Protocol::Udp)
}
