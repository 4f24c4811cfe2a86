// SPDX-License-Identifier: GPL-2.0-only
//! NAT by nft and conntrack, without IPVS: the rules that a user writes for a VIP.

use crate::director::{server, service};
use crate::flow::{FAMILIES, Family, Protocol};
use crate::namespace::Namespace;

/// Packets to the server get the director's address as their source. Fails if the kernel
/// or nft does not support this.
pub fn masquerade(director: &Namespace) -> Result<(), String> {
    let rules = "add table inet nat
add chain inet nat postrouting { type nat hook postrouting priority srcnat; }
add rule inet nat postrouting oifname eth1 masquerade";
    director.feed("nft", &["-f", "-"], rules)?;
    for key in ["udp_timeout", "udp_timeout_stream"] {
        director.sysctl(&format!("net.netfilter.nf_conntrack_{key}=7200"));
    }
    Ok(())
}

/// Adds destination NAT: a map sends the packets for a VIP to its servers in turn. Fails
/// like `masquerade`.
pub fn set_up(director: &Namespace) -> Result<(), String> {
    masquerade(director)?;
    let mut rules =
        "add chain inet nat prerouting { type nat hook prerouting priority dstnat; }\n".to_owned();
    for family in FAMILIES {
        let ip = match family {
            Family::Ipv4 => "ip",
            Family::Ipv6 => "ip6",
        };
        let (vip, server) = (service(family), server(family));
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            rules += &format!(
                "add rule inet nat prerouting {ip} daddr {} {} dport {} \
                 dnat {ip} to numgen inc mod 1 map {{ 0 : {} . {} }}\n",
                vip.ip(),
                protocol.name(),
                vip.port(),
                server.ip(),
                server.port(),
            );
        }
    }
    director.feed("nft", &["-f", "-"], &rules)
}

/// Adds a flowtable at ingress of both interfaces for conntrack's established flows. It
/// counts packets, but its `counter` counts them only in conntrack's accounting.
pub fn add_flowtable(director: &Namespace) -> Result<(), String> {
    let rules = "add flowtable inet nat fast { hook ingress priority filter; devices = { eth0, eth1 }; counter; }
add chain inet nat forward { type filter hook forward priority filter; }
add rule inet nat forward ct state established flow add @fast";
    director.sysctl("net.netfilter.nf_conntrack_acct=1");
    director.feed("nft", &["-f", "-"], rules)
}
