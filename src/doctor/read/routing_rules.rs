// SPDX-License-Identifier: GPL-2.0-only
//! Reads the rules that match on the interface that packets came in at: `RTM_GETRULE`.

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::doctor::routing_rules::{Rule, Rules};
use crate::model::Family;
use crate::rtnetlink::ask;

/// A kernel without rules has none.
pub fn read() -> Rules {
    let families = [
        (Family::Ipv4, AddressFamily::Inet),
        (Family::Ipv6, AddressFamily::Inet6),
    ];
    let of = |(family, number)| {
        let mut request = RuleMessage::default();
        request.header.family = number;
        let answers = ask(RouteNetlinkMessage::GetRule(request), NLM_F_DUMP).unwrap_or_default();
        let rules = answers.iter().filter_map(|answer| match answer {
            RouteNetlinkMessage::NewRule(message) => rule(family, message),
            _ => None,
        });
        rules.collect::<Rules>()
    };
    families.into_iter().flat_map(of).collect()
}

/// Packets that this host sends come in at `lo`.
fn rule(family: Family, message: &RuleMessage) -> Option<Rule> {
    let mut priority = 0;
    let mut interface = None;
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::Iifname(name) => interface = Some(name),
            _ => {}
        }
    }
    let interface = interface.filter(|name| *name != "lo")?.clone();
    Some(Rule {
        family,
        priority,
        interface,
    })
}
