// SPDX-License-Identifier: GPL-2.0-only
//! Checks the sysctls of the network namespace.

use std::collections::BTreeMap;

use super::finding::Severity::{Error, Note, Warning};
use super::{Facts, Finding};
use crate::director::HostPorts;
use crate::model::Family;

/// The values. A missing value means that the kernel does not have the sysctl.
#[derive(Clone, Debug, Default)]
pub struct Sysctls {
    /// The value of `net.ipv4.ip_forward`.
    pub ip_forward: Option<String>,
    /// The value of `net.ipv6.conf.all.forwarding`.
    pub ipv6_forwarding: Option<String>,
    /// The value of `net.ipv4.vs.conntrack`.
    pub vs_conntrack: Option<String>,
    /// The values of `net.ipv4.conf.*.rp_filter`, by interface and `all`.
    pub rp_filter: BTreeMap<String, u8>,
    /// The ports that the host uses itself. They apply to IPv6 too.
    pub local_ports: Option<HostPorts>,
}

impl Sysctls {
    pub(super) fn has_conntrack(&self) -> bool {
        self.vs_conntrack.as_deref() == Some("1")
    }
}

pub(super) fn findings(facts: &Facts, findings: &mut Vec<Finding>) {
    let sysctls = &facts.sysctls;
    for (family, value, name) in [
        (Family::Ipv4, &sysctls.ip_forward, "net.ipv4.ip_forward"),
        (
            Family::Ipv6,
            &sysctls.ipv6_forwarding,
            "net.ipv6.conf.all.forwarding",
        ),
    ] {
        if value.as_deref() == Some("0") && facts.has_native_masq_of(family) {
            findings.push(Finding::new(
                Error,
                "forwarding",
                format!("{name} is 0, and native {family} services forward by masq"),
                "this host drops the answers of their servers, which pass through it to the \
                 clients; full NAT, route and tunnel need no forwarding",
                format!("sysctl -w {name}=1"),
            ));
        }
    }
    if sysctls.has_conntrack() {
        findings.push(Finding::new(
            Warning,
            "vs-conntrack",
            "net.ipv4.vs.conntrack is 1",
            "conntrack tracks every packet of native services, which costs more than IPVS \
             itself; full NAT does not need that",
            "sysctl -w net.ipv4.vs.conntrack=0",
        ));
    }
    if facts.has_service_of(Family::Ipv4) {
        rp_filter(sysctls, findings);
    }
}

/// The effective value is the larger one of the interface's value and that of `all`. It
/// holds for full NAT too (kmod/packet/hooks.c, kmod/packet/checks.c).
fn rp_filter(sysctls: &Sysctls, findings: &mut Vec<Finding>) {
    let all = sysctls.rp_filter.get("all").copied().unwrap_or(0);
    for (interface, own) in &sysctls.rp_filter {
        if ["all", "default", "lo"].contains(&interface.as_str()) || all.max(*own) != 1 {
            continue;
        }
        findings.push(Finding::about(
            interface,
            Note,
            "rp-filter",
            format!("rp_filter is strict at {interface}"),
            "packets that arrive at another interface than the route to their source are dropped, \
             those of full NAT too; others are not affected",
            format!("sysctl -w net.ipv4.conf.{interface}.rp_filter=2"),
        ));
    }
}
