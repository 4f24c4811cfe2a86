// SPDX-License-Identifier: GPL-2.0-only
//! Compares the ports of the local IPs with the ports that the host uses for
//! its own connections.

use super::finding::Severity::Warning;
use super::{Facts, Finding};
use crate::model::PortRange;

const UNPRIVILEGED: u16 = 1024;
/// The kernel's default range.
const KERNELS: (u16, u16) = (32_768, 60_999);
/// The number of ports that a host needs for its own connections.
const ENOUGH: u32 = 4096;

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(host) = &facts.sysctls.local_ports else {
        return;
    };
    for (local_ip, range) in &facts.wanted.local_ips {
        let drawn = host.ephemeral_count(*range);
        if !facts.local.shares_ports(local_ip.address) || !is_most(drawn, *range) {
            continue;
        }
        findings.push(Finding::about(
            local_ip.address,
            Warning,
            "local-ports",
            format!(
                "{drawn} of the {} ports of the local IP {} are the host's own \
                 (net.ipv4.ip_local_port_range is {})",
                range.count(),
                local_ip.address,
                host.range()
            ),
            "a session cannot use a port that the host may use, so the pool is exhausted sooner",
            cure(*range),
        ));
    }
}

/// True if the host uses more than half of the range. The default ranges do
/// not.
fn is_most(drawn: u32, range: PortRange) -> bool {
    drawn * 2 > range.count()
}

/// Suggests another range for the host: below or above the local IP's range, or
/// the default.
fn cure(range: PortRange) -> String {
    let below = (UNPRIVILEGED, range.first.saturating_sub(1));
    let above = (range.last.saturating_add(1), u16::MAX);
    let best = [below, above, KERNELS]
        .into_iter()
        .map(|(first, last)| PortRange { first, last })
        .filter(|own| !is_most(own.common(range).count(), range))
        .max_by_key(|own| own.count())
        .filter(|own| own.count() >= ENOUGH);
    match best {
        Some(PortRange { first, last }) => {
            format!("sysctl -w net.ipv4.ip_local_port_range=\"{first} {last}\"")
        }
        None => "give the pool other ports".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cure_leaves_most_ports_to_the_local_ip() {
        let cure = |first, last| cure(PortRange { first, last });
        let sysctl = "sysctl -w net.ipv4.ip_local_port_range=";
        assert_eq!(cure(1024, 65_535), format!("{sysctl}\"32768 60999\""));
        assert_eq!(cure(32_768, 60_999), format!("{sysctl}\"1024 32767\""));
        assert_eq!(cure(1024, 32_767), format!("{sysctl}\"32768 65535\""));
        assert_eq!(cure(30_000, 60_999), format!("{sysctl}\"1024 29999\""));
    }
}
