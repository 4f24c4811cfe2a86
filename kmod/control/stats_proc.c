// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf/stats: "name value" lines, summed over the CPUs. Names
 * are stable; new ones may be added at the end.
 */
#include <linux/seq_file.h>

#include "control/proc.h"

static const char *const names[COUNTERS] = {
	[COUNT_SESSIONS_CREATED] = "sessions_created",
	[COUNT_SESSIONS_ENDED] = "sessions_ended",
	/* A local IP and port was taken, and another one was tried. */
	[COUNT_PORT_COLLISIONS] = "port_collisions",
	/* Connections of full-NAT services that were left to native IPVS: their server
	 * is this host, or they are one-packet connections.
	 */
	[COUNT_SERVER_IS_LOCAL] = "native_server_is_local",
	[COUNT_ONE_PACKET] = "native_one_packet",
	/* Connections of native services on the port of a full-NAT service; packets where a
	 * rule or a mark covers them.
	 */
	[COUNT_OTHER_SERVICE] = "native_other_service",
	/* Connections that got no session. Each of their packets is then counted in
	 * drop_refused_connection.
	 */
	[COUNT_REFUSED_EMPTY_POOL] = "refused_empty_pool",
	[COUNT_REFUSED_PORTS_EXHAUSTED] = "refused_ports_exhausted",
	[COUNT_REFUSED_NO_MEMORY] = "refused_no_memory",
	/* Dropped packets, client to server. */
	[COUNT_DROP_REFUSED] = "drop_refused_connection",
	[COUNT_DROP_TTL] = "drop_ttl_exceeded",
	[COUNT_DROP_TOO_BIG] = "drop_too_big",
	[COUNT_DROP_NO_ROUTE] = "drop_no_route",
	[COUNT_DROP_REWRITE] = "drop_rewrite_failed",
	/* Dropped packets, server to client. */
	[COUNT_REPLY_TTL] = "drop_reply_ttl_exceeded",
	[COUNT_REPLY_TOO_BIG] = "drop_reply_too_big",
	[COUNT_REPLY_NO_ROUTE] = "drop_reply_no_route",
	[COUNT_REPLY_REWRITE] = "drop_reply_rewrite_failed",
	/* Connections that got no session: the port of the SCTP server differs from its
	 * service's; the client has a link-local address.
	 */
	[COUNT_REFUSED_SCTP_PORTS] = "refused_sctp_ports",
	[COUNT_REFUSED_LINK_LOCAL] = "refused_link_local_client",
	/* Client to server: an authentication header, an active routing header,
	 * or more extension headers than packet/packet.c reads.
	 */
	[COUNT_DROP_EXTENSION_HEADERS] = "drop_extension_headers",
	/* IPv4, either direction: options for source routing, or broken options. */
	[COUNT_DROP_IP_OPTIONS] = "drop_ip_options",
	/* An IPv4 fragment for this host that fits no packet, or for which there was no
	 * room. Packets that stay incomplete are ReasmTimeout in /proc/net/snmp.
	 */
	[COUNT_DROP_FRAGMENT] = "drop_fragment",
	/* ICMP errors about packets of sessions, translated and sent. */
	[COUNT_ERRORS_TO_CLIENT] = "icmp_errors_to_client",
	[COUNT_ERRORS_TO_SERVER] = "icmp_errors_to_server",
	/* Dropped ICMP errors: they are about a service of ours that has no such
	 * session; they were sent to an address that is not the source of the inner
	 * packet; or they were dropped for a reason that other packets also have.
	 */
	[COUNT_ERROR_NO_SESSION] = "drop_icmp_no_session",
	[COUNT_ERROR_MISDIRECTED] = "drop_icmp_misdirected",
	[COUNT_ERROR_CHECKSUM] = "drop_icmp_checksum",
	[COUNT_ERROR_TTL] = "drop_icmp_ttl_exceeded",
	[COUNT_ERROR_NO_ROUTE] = "drop_icmp_no_route",
	[COUNT_ERROR_TOO_BIG] = "drop_icmp_too_big",
	[COUNT_ERROR_REWRITE] = "drop_icmp_rewrite_failed",
	/* Packets that the ingress program alone forwarded, as far as IPVS's counters
	 * already include them.
	 */
	[COUNT_FAST_ORIGINAL] = "fast_packets_original",
	[COUNT_FAST_REPLY] = "fast_packets_reply",
	/* Connections that got no session: each local IP and port that was tried is the
	 * host's own, or is the VIP and port of a service.
	 */
	[COUNT_REFUSED_NO_PORT] = "refused_no_port",
	/* Unanswered sessions that were ended for a new connection because every port
	 * was taken.
	 */
	[COUNT_SESSIONS_GIVEN_UP] = "sessions_given_up",
	/* Dropped, client to server: the connection's session was given up, or IPVS is
	 * binding the connection to its server at this moment.
	 */
	[COUNT_DROP_NO_SESSION] = "drop_no_session",
	/* A direction of a session got no lease because the map of flows is full. Its
	 * packets continue through IPVS.
	 */
	[COUNT_FLOWS_FULL] = "flows_full",
	/* The same, because there was no memory for the session's leases. The next
	 * packet tries again.
	 */
	[COUNT_FLOWS_NO_MEMORY] = "flows_no_memory",
	/* Client to server, from port 0: nothing can answer it. */
	[COUNT_DROP_SOURCE_PORT_0] = "drop_source_port_0",
	/* Either direction: an IPsec policy (ip-xfrm(8)) forbids it, or requires an
	 * association that does not exist.
	 */
	[COUNT_DROP_POLICY] = "drop_xfrm_policy",
	/* Services that rules made; those of them that ended because they were idle;
	 * and those for whose port no application could be registered, which is tried
	 * again.
	 */
	[COUNT_RULE_SERVICES_MADE] = "rule_services_made",
	[COUNT_RULE_SERVICES_ENDED] = "rule_services_ended",
	[COUNT_RULE_SERVICE_UNREGISTERED] = "rule_services_unregistered",
	/* Connections that got no session: the number of services by rule is at its
	 * limit.
	 */
	[COUNT_REFUSED_RULE_SERVICES] = "refused_rule_services",
	/* Packets that a rule covers and that went on to native IPVS: their server is
	 * not masqueraded; another application (ip_vs_ftp) has the connection; the
	 * connection is older than the rule, or its server is this host.
	 */
	[COUNT_RULE_NOT_MASQUERADED] = "rule_native_not_masqueraded",
	[COUNT_RULE_OTHER_APPLICATION] = "rule_native_other_application",
	[COUNT_RULE_NATIVE] = "rule_native_connection",
	/* Client segments to servers that get the client's address: with the option;
	 * without it, because they have no room; without it, because there is no memory
	 * or their checksum is wrong. Then options that clients sent and that could
	 * pass for it, which became NOPs.
	 */
	[COUNT_TOA_ADDED] = "toa_added",
	[COUNT_TOA_NO_ROOM] = "toa_no_room",
	[COUNT_TOA_FAILED] = "toa_failed",
	[COUNT_TOA_FORGED] = "toa_forged",
	/* Connections that got no session: the client's address is ::. */
	[COUNT_REFUSED_UNSPECIFIED] = "refused_unspecified_client",
	/* Dropped ICMP errors about sessions: ICMPv6 has no such type; the header of
	 * the inner packet is broken, or is that of a fragment without ports.
	 */
	[COUNT_ERROR_TYPE] = "drop_icmp_type",
	[COUNT_ERROR_INNER] = "drop_icmp_inner_header",
	/* Client to server: ESP or AH, see packet/request.c. */
	[COUNT_DROP_PROTOCOL] = "drop_other_protocol",
	/* Client to server: from outside, with an address of this host as its source. */
	[COUNT_DROP_OWN_SOURCE] = "drop_own_source",
	/* Connections that got no session: to port 0, where nobody answers. */
	[COUNT_REFUSED_PORT_0] = "refused_port_0",
	[COUNT_DROP_BY_IPVS] = "drop_by_ipvs",
};

void ivb_stats_show(struct director *director, struct seq_file *seq)
{
	int counter, cpu;

	seq_printf(seq, "sessions %d\n", atomic_read(&director->session_count));
	for (counter = 0; counter < COUNTERS; counter++) {
		u64 sum = 0;

		for_each_possible_cpu(cpu)
			sum += READ_ONCE(per_cpu_ptr(director->stats, cpu)->value[counter]);
		seq_printf(seq, "%s %llu\n", names[counter], sum);
	}
}
