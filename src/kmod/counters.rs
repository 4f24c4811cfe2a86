// SPDX-License-Identifier: GPL-2.0-only
//! The meaning of each counter in `/proc/net/ip_vs_bpf/stats`
//! (`kmod/control/stats_proc.c`), and what to do about it. The tables of
//! `docs/reference/counters.md` have the same text.

/// The name, the meaning, and what to do if the counter is not zero and that means trouble.
/// A request goes from the client to the server.
const COUNTERS: &[(&str, &str, Option<&str>)] = &[
    ("sessions", "sessions now", None),
    ("sessions_created", "sessions created", None),
    ("sessions_ended", "sessions ended", None),
    (
        "sessions_given_up",
        "unanswered sessions ended to free a port for a new connection",
        Some("add addresses to the pool, or look for a flood of SYNs or unanswered datagrams"),
    ),
    (
        "port_collisions",
        "local ports that were tried and that another session has",
        None,
    ),
    (
        "native_server_is_local",
        "connections left to native IPVS: their server is this host",
        Some(
            "nothing, or move the server off the director: IPVS does not translate for its own host",
        ),
    ),
    (
        "native_one_packet",
        "connections left to native IPVS: one-packet scheduling",
        Some("remove `one_packet` from the service to make it full NAT"),
    ),
    (
        "native_other_service",
        "connections of native services on the port of a full-NAT service (packets, where a rule or a mark covers them)",
        Some("nothing: IPVS asks about all connections of the port"),
    ),
    (
        "rule_native_not_masqueraded",
        "packets covered by a rule, left to native IPVS: their server is not masqueraded",
        Some("set the servers to masq (keepalived: `lb_kind NAT`)"),
    ),
    (
        "rule_native_other_application",
        "packets covered by a rule, left to native IPVS: another application has the port",
        Some("remove the port from the rule, or unload that application (`ip_vs_ftp`)"),
    ),
    (
        "rule_native_connection",
        "packets covered by a rule, left to native IPVS: their connection is older than the rule, or its server is this host",
        Some("nothing: older connections end eventually"),
    ),
    ("rule_services_made", "services that rules made", None),
    (
        "rule_services_ended",
        "services by rule removed because they were idle",
        None,
    ),
    (
        "rule_services_unregistered",
        "services by rule for whose port no IPVS application could be registered",
        Some("see which application of IPVS holds the port; it is tried again"),
    ),
    (
        "refused_rule_services",
        "connections refused: the limit of services by rule is reached",
        Some(
            "name fewer ports in the rule; services of firewall marks and of every port count too",
        ),
    ),
    (
        "refused_empty_pool",
        "connections refused: the pool has no local IP",
        Some("give the pool an address of the family, and `apply`"),
    ),
    (
        "refused_ports_exhausted",
        "connections refused: every local IP and port that was tried is in use",
        Some("add addresses to the pool; `ipvs-bpf show --local-ips` says how full it is"),
    ),
    (
        "refused_no_memory",
        "connections refused: the kernel is out of memory",
        Some("see the kernel's log; free memory, or lower `max_sessions`"),
    ),
    (
        "refused_no_port",
        "connections refused: each local IP and port that was tried is the host's own, or a VIP's",
        Some(
            "reserve the pool's ports in `net.ipv4.ip_local_reserved_ports`, or give the pool other `ports`",
        ),
    ),
    (
        "refused_sctp_ports",
        "connections refused: the port of an SCTP server is not its service's",
        Some("give the server the port of its service: SCTP keeps its ports"),
    ),
    (
        "refused_link_local_client",
        "connections refused: the client's address is link-local",
        Some("have the client use a routed address"),
    ),
    (
        "refused_unspecified_client",
        "connections refused: the client's address is ::",
        Some("nothing: no host sends from it, so it is forged"),
    ),
    (
        "refused_port_0",
        "connections refused: they are to port 0 of a VIP",
        Some("nothing: no server listens at port 0, scanners ask for it"),
    ),
    (
        "flows_full",
        "packets that could not bring their session to the fast path: no slot of its map is free for the flow",
        Some(
            "raise `max_sessions`, if it keeps growing: a flow has four slots, and others have them. These packets pass through IPVS. A client that uses its port again adds a few: the flow is still that of its last session",
        ),
    ),
    (
        "flows_no_memory",
        "packets that could not bring their session to the fast path: no memory",
        Some("find what uses the host's memory; until then the packets pass through IPVS"),
    ),
    (
        "fast_packets_original",
        "requests that the eBPF program alone forwarded",
        None,
    ),
    (
        "fast_packets_reply",
        "replies that the eBPF program alone forwarded",
        None,
    ),
    (
        "toa_added",
        "segments sent with the client's address in a TCP option",
        None,
    ),
    (
        "toa_no_room",
        "segments sent without the client's address: their TCP options, or the segment, have no room",
        Some("nothing, if it is rare: 40 bytes of options are the limit of TCP"),
    ),
    (
        "toa_failed",
        "segments sent without the client's address: no memory, or a wrong checksum",
        Some("see the kernel's log, or look for a device that breaks checksums"),
    ),
    (
        "toa_forged",
        "TCP options of clients replaced by NOPs: they could pass for the client's address",
        Some("nothing: the server sees the true address"),
    ),
    (
        "drop_no_session",
        "requests dropped: their session was given up, or does not exist yet",
        Some(
            "nothing, if it is rare: the sender repeats the packet. If it grows, `sessions_given_up` says why",
        ),
    ),
    (
        "drop_refused_connection",
        "requests dropped: their connection was refused",
        Some("see which counter of refused connections grows"),
    ),
    (
        "drop_source_port_0",
        "requests dropped: source port 0, which cannot be answered",
        Some("nothing: no program sends from port 0, scanners do"),
    ),
    (
        "drop_own_source",
        "requests dropped: they came in with an IPv6 address of this host as source",
        Some("find who sends them: they are forged, or another host uses an address of this one"),
    ),
    (
        "drop_xfrm_policy",
        "packets dropped: an IPsec policy forbids them, or has no association for them",
        Some("see `ip xfrm policy` and `ip xfrm state`"),
    ),
    (
        "drop_by_ipvs",
        "requests dropped by IPVS itself: no server may take them, or their header is cut off",
        Some(
            "see whether `ipvs-bpf show` lists a server with a weight; without one, the client gets an ICMP error. A removed server counts here too, and so does `net.ipv4.vs.drop_entry`",
        ),
    ),
    (
        "drop_other_protocol",
        "requests dropped: ESP or AH of the client of a session of UDP port 500",
        Some(
            "configure the client to encapsulate IPsec in UDP, port 4500: full NAT cannot translate ESP and AH",
        ),
    ),
    (
        "drop_ttl_exceeded",
        "requests dropped: TTL or hop limit exceeded",
        Some(
            "look for a routing loop before the director; a traceroute counts here too. The sender gets an ICMP error",
        ),
    ),
    (
        "drop_too_big",
        "requests dropped: larger than the MTU towards the server",
        Some(
            "nothing, if the sender obeys: it gets the MTU by ICMP. If it grows without end, a firewall drops that ICMP error",
        ),
    ),
    (
        "drop_no_route",
        "requests dropped: no route to the server",
        Some(
            "give the director a route to the server: `ip route get` with the server's address. The sender gets an ICMP error",
        ),
    ),
    (
        "drop_rewrite_failed",
        "requests dropped: they could not be rewritten",
        Some(
            "capture the packet: its headers are cut off, its sender asks a device for a checksum over them, or the kernel is out of memory",
        ),
    ),
    (
        "drop_extension_headers",
        "requests dropped: IPv6 extension headers that full NAT cannot pass",
        Some(
            "have the client send without them: an authentication header, or a routing header with segments left",
        ),
    ),
    (
        "drop_ip_options",
        "packets dropped: an IPv4 source route, or broken IPv4 options",
        Some("nothing, if they are an attack: a source route never passes"),
    ),
    (
        "drop_fragment",
        "IPv4 fragments for this host dropped: they fit no packet, or there is no room",
        Some(
            "look for forged or overlapping fragments; `net.ipv4.ipfrag_high_thresh` is the limit",
        ),
    ),
    (
        "drop_reply_ttl_exceeded",
        "replies dropped: TTL or hop limit exceeded",
        Some("look for a routing loop between director and servers. The server gets an ICMP error"),
    ),
    (
        "drop_reply_too_big",
        "replies dropped: larger than the MTU towards the client",
        Some(
            "nothing, if the server obeys: it gets the MTU by ICMP. If it grows without end, a firewall drops that ICMP error",
        ),
    ),
    (
        "drop_reply_no_route",
        "replies dropped: no route to the client",
        Some("give the director a route to the client. The server gets an ICMP error"),
    ),
    (
        "drop_reply_rewrite_failed",
        "replies dropped: they could not be rewritten",
        Some(
            "capture the packet: its headers are cut off, its sender asks a device for a checksum over them, or the kernel is out of memory",
        ),
    ),
    (
        "icmp_errors_to_client",
        "ICMP errors about requests, translated and sent to the client",
        None,
    ),
    (
        "icmp_errors_to_server",
        "ICMP errors about replies, translated and sent to the server",
        None,
    ),
    (
        "drop_icmp_no_session",
        "ICMP errors dropped: the full-NAT service has no such session",
        Some("nothing, if it is rare: the error is late, or forged"),
    ),
    (
        "drop_icmp_misdirected",
        "ICMP errors dropped: not sent to the source of the packet inside",
        Some("nothing: the error is forged"),
    ),
    (
        "drop_icmp_checksum",
        "ICMP errors dropped: their checksum is wrong",
        Some("look for a broken device on the way"),
    ),
    (
        "drop_icmp_ttl_exceeded",
        "ICMP errors dropped: TTL or hop limit exceeded",
        Some("look for a routing loop"),
    ),
    (
        "drop_icmp_no_route",
        "ICMP errors dropped: no route to client or server",
        Some("give the director a route to that side"),
    ),
    (
        "drop_icmp_too_big",
        "ICMP errors dropped: larger than the MTU",
        Some("raise the MTU: it is smaller than an ICMP error needs"),
    ),
    (
        "drop_icmp_rewrite_failed",
        "ICMP errors dropped: they could not be rewritten",
        Some("capture the ICMP error: it is cut off, or the kernel is out of memory"),
    ),
    (
        "drop_icmp_type",
        "ICMPv6 errors dropped: their type does not exist",
        Some("nothing: the error is forged, or of a future standard"),
    ),
    (
        "drop_icmp_inner_header",
        "ICMP errors dropped: the header of the packet inside is broken",
        Some("nothing: the error is forged, or about a fragment other than the first"),
    ),
];

/// `None`: the module is newer than this build.
pub fn meaning(name: &str) -> Option<&'static str> {
    find(name).map(|(_, meaning, _)| *meaning)
}

/// `None`: the counter does not mean trouble, or the module is newer than this build.
pub fn cure(name: &str) -> Option<&'static str> {
    find(name).and_then(|(.., cure)| *cure)
}

fn find(name: &str) -> Option<&'static (&'static str, &'static str, Option<&'static str>)> {
    COUNTERS.iter().find(|(known, ..)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_of_the_module_has_a_meaning_and_trouble_has_a_cure() {
        let trouble = ["drop_", "refused_", "native_", "rule_native_", "flows_"];
        let source = include_str!("../../kmod/control/stats_proc.c");
        let names: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("[COUNT_"))
            .map(|line| line.split('"').nth(1).unwrap())
            .collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names.into_iter().chain(["sessions"]) {
            assert!(meaning(name).is_some(), "{name}");
            let is_trouble = trouble.iter().any(|begin| name.starts_with(begin));
            assert!(!is_trouble || cure(name).is_some(), "{name}");
        }
        assert_eq!(meaning("of_a_later_module"), None);
        assert_eq!(cure("of_a_later_module"), None);
    }
}
