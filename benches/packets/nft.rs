// SPDX-License-Identifier: GPL-2.0-only
//! NAT by nft and conntrack, without IPVS: the rules that a user writes for a VIP.

use crate::director::{server, service};
use crate::flow::{FAMILIES, Family, Protocol};
use crate::namespace::Namespace;

/// What leaves for the server has the director's address. Fails where the kernel or
/// nft cannot.
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

/// The above, and what is for a VIP goes to its servers in turn, by a map that has
/// them. Fails as the above does.
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

/// Beside the above: conntrack's established flows go into a flowtable at ingress of
/// both interfaces. It counts packets, which its `counter` does into conntrack's
/// accounting alone.
pub fn add_flowtable(director: &Namespace) -> Result<(), String> {
    let rules = "add flowtable inet nat fast { hook ingress priority filter; devices = { eth0, eth1 }; counter; }
add chain inet nat forward { type filter hook forward priority filter; }
add rule inet nat forward ct state established flow add @fast";
    director.sysctl("net.netfilter.nf_conntrack_acct=1");
    director.feed("nft", &["-f", "-"], rules)
}
