// SPDX-License-Identifier: GPL-2.0-only
//! The meaning of each counter in `/proc/net/ip_vs_bpf/stats`
//! (`kmod/control/stats_proc.c`).

/// Name and meaning. A request goes from the client to the server.
const MEANINGS: &[(&str, &str)] = &[
    ("sessions", "sessions now"),
    ("sessions_created", "sessions created"),
    ("sessions_ended", "sessions ended"),
    (
        "sessions_given_up",
        "unanswered sessions ended to free a port for a new connection",
    ),
    (
        "port_collisions",
        "local ports that were tried and that another session has",
    ),
    (
        "native_server_is_local",
        "connections left to native IPVS: their server is this host",
    ),
    (
        "native_one_packet",
        "connections left to native IPVS: one-packet scheduling",
    ),
    (
        "native_other_service",
        "connections of native services on the port of a full-NAT service (packets, where a rule or a mark covers them)",
    ),
    (
        "rule_native_not_masqueraded",
        "packets covered by a rule, left to native IPVS: their server is not masqueraded",
    ),
    (
        "rule_native_other_application",
        "packets covered by a rule, left to native IPVS: another application has the port",
    ),
    (
        "rule_native_connection",
        "packets covered by a rule, left to native IPVS: their connection is older than the rule, or its server is this host",
    ),
    ("rule_services_made", "services that rules made"),
    (
        "rule_services_ended",
        "services by rule removed because they were idle",
    ),
    (
        "rule_services_unregistered",
        "services by rule for whose port no IPVS application could be registered",
    ),
    (
        "refused_rule_services",
        "connections refused: the limit of services by rule is reached",
    ),
    (
        "refused_empty_pool",
        "connections refused: the pool has no local IP",
    ),
    (
        "refused_ports_exhausted",
        "connections refused: every local IP and port that was tried is in use",
    ),
    (
        "refused_no_memory",
        "connections refused: the kernel is out of memory",
    ),
    (
        "refused_no_port",
        "connections refused: each local IP and port that was tried is the host's own, or a VIP's",
    ),
    (
        "refused_sctp_ports",
        "connections refused: the port of an SCTP server is not its service's",
    ),
    (
        "refused_link_local_client",
        "connections refused: the client's address is link-local",
    ),
    (
        "refused_unspecified_client",
        "connections refused: the client's address is ::",
    ),
    (
        "flows_full",
        "packets that could not bring their session to the fast path: no slot of its map is free for the flow",
    ),
    (
        "flows_no_memory",
        "packets that could not bring their session to the fast path: no memory",
    ),
    (
        "fast_packets_original",
        "requests that the eBPF program alone forwarded",
    ),
    (
        "fast_packets_reply",
        "replies that the eBPF program alone forwarded",
    ),
    (
        "toa_added",
        "segments sent with the client's address in a TCP option",
    ),
    (
        "toa_no_room",
        "segments sent without the client's address: their TCP options, or the segment, have no room",
    ),
    (
        "toa_failed",
        "segments sent without the client's address: no memory, or a wrong checksum",
    ),
    (
        "toa_forged",
        "TCP options of clients replaced by NOPs: they could pass for the client's address",
    ),
    (
        "drop_no_session",
        "requests dropped: their session was given up, or does not exist yet",
    ),
    (
        "drop_refused_connection",
        "requests dropped: their connection was refused",
    ),
    (
        "drop_source_port_0",
        "requests dropped: source port 0, which cannot be answered",
    ),
    (
        "drop_own_source",
        "requests dropped: they came in with an IPv6 address of this host as source",
    ),
    (
        "drop_xfrm_policy",
        "packets dropped: an IPsec policy forbids them, or has no association for them",
    ),
    (
        "drop_other_protocol",
        "requests dropped: ESP or AH of the client of a session of UDP port 500",
    ),
    (
        "drop_ttl_exceeded",
        "requests dropped: TTL or hop limit exceeded",
    ),
    (
        "drop_too_big",
        "requests dropped: larger than the MTU towards the server",
    ),
    ("drop_no_route", "requests dropped: no route to the server"),
    (
        "drop_rewrite_failed",
        "requests dropped: they could not be rewritten",
    ),
    (
        "drop_extension_headers",
        "requests dropped: IPv6 extension headers that full NAT cannot pass",
    ),
    (
        "drop_ip_options",
        "packets dropped: an IPv4 source route, or broken IPv4 options",
    ),
    (
        "drop_fragment",
        "IPv4 fragments for this host dropped: they fit no packet, or there is no room",
    ),
    (
        "drop_reply_ttl_exceeded",
        "replies dropped: TTL or hop limit exceeded",
    ),
    (
        "drop_reply_too_big",
        "replies dropped: larger than the MTU towards the client",
    ),
    (
        "drop_reply_no_route",
        "replies dropped: no route to the client",
    ),
    (
        "drop_reply_rewrite_failed",
        "replies dropped: they could not be rewritten",
    ),
    (
        "icmp_errors_to_client",
        "ICMP errors about requests, translated and sent to the client",
    ),
    (
        "icmp_errors_to_server",
        "ICMP errors about replies, translated and sent to the server",
    ),
    (
        "drop_icmp_no_session",
        "ICMP errors dropped: the full-NAT service has no such session",
    ),
    (
        "drop_icmp_misdirected",
        "ICMP errors dropped: not sent to the source of the packet inside",
    ),
    (
        "drop_icmp_checksum",
        "ICMP errors dropped: their checksum is wrong",
    ),
    (
        "drop_icmp_ttl_exceeded",
        "ICMP errors dropped: TTL or hop limit exceeded",
    ),
    (
        "drop_icmp_no_route",
        "ICMP errors dropped: no route to client or server",
    ),
    (
        "drop_icmp_too_big",
        "ICMP errors dropped: larger than the MTU",
    ),
    (
        "drop_icmp_rewrite_failed",
        "ICMP errors dropped: they could not be rewritten",
    ),
    (
        "drop_icmp_type",
        "ICMPv6 errors dropped: their type does not exist",
    ),
    (
        "drop_icmp_inner_header",
        "ICMP errors dropped: the header of the packet inside is broken",
    ),
];

/// `None`: the module is newer than this build.
pub fn meaning(name: &str) -> Option<&'static str> {
    MEANINGS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_of_the_module_has_a_meaning() {
        let source = include_str!("../../kmod/control/stats_proc.c");
        let names: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("[COUNT_"))
            .map(|line| line.split('"').nth(1).unwrap())
            .collect();
        assert!(names.len() > 20, "{names:?}");
        for name in names.into_iter().chain(["sessions"]) {
            assert!(meaning(name).is_some(), "{name}");
        }
        assert_eq!(meaning("of_a_later_module"), None);
    }
}
