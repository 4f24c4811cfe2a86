// SPDX-License-Identifier: GPL-2.0-only
//! The ports of the local IPs beside those that the host draws for its own
//! connections.

use super::finding::Severity::Warning;
use super::{Facts, Finding};
use crate::model::PortRange;

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some((first, last)) = facts.sysctls.local_ports else {
        return;
    };
    for (local_ip, range) in &facts.wanted.local_ips {
        if !facts.local.contains(local_ip.address) {
            continue;
        }
        let shared = count(PortRange {
            first: range.first.max(first),
            last: range.last.min(last),
        });
        let all = count(*range);
        // With the kernel's range and the widest of ours it is less.
        if shared * 2 > all {
            findings.push(Finding::new(
                Warning,
                "local-ports",
                format!(
                    "{shared} of the {all} ports of the local IP {} are the host's own \
                     (net.ipv4.ip_local_port_range is {first}-{last})",
                    local_ip.address
                ),
                "a port can be a session's or a connection's of the host, not both: the pool is \
                 exhausted sooner",
                "sysctl -w net.ipv4.ip_local_port_range=\"61000 65535\", or give the pool other ports",
            ));
        }
    }
}

fn count(range: PortRange) -> u32 {
    (u32::from(range.last) + 1).saturating_sub(range.first.into())
}
