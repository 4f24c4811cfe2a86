// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of TCP connections that IPVS knows. They need neither an input route nor
 * IPVS's hook: the connection's admission says where the route would lead. The rest of
 * what ip_vs_in_hook() does (ip_vs_core.c) is done here: count, advance the connection's
 * state, and transmit.
 *
 * IPVS's hook decides about every other packet: that of a new connection, of one whose
 * server was removed, and of a namespace with a sync daemon. Any packet of UDP may be the
 * first of its connection, and would be looked up twice.
 */
#include <linux/tcp.h>

#include "packet/admitted.h"
#include "packet/conn.h"
#include "packet/request.h"
#include "session/admission.h"
#include "session/leases.h"
#include "session/sessions.h"

/* True if the segment is not a SYN, for which IPVS may make a connection in place of an
 * old one.
 */
static bool may_belong(const struct sk_buff *skb, const struct packet *packet)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp =
		skb_header_pointer(skb, packet->transport, sizeof(buffer), &buffer);

	return tcp && !tcp->syn;
}

/* The session of the connection, if its packet needs no decision of IPVS's hook. */
static struct session *session_of(const struct ip_vs_conn *cp, const struct sk_buff *skb)
{
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);
	struct session *session;

	if (READ_ONCE(cp->packet_xmit) != ivb_request_transmit || !dest ||
	    !compat_dest_available(dest))
		return NULL;
	session = conn_session(cp);
	return session && ivb_is_admitted(session, skb, cp->af) ? session : NULL;
}

/* Called from the hook at PREROUTING, under RCU, for a TCP packet to a service. Returns
 * false if IPVS's hook is to decide; else verdict says what to do with the packet.
 */
bool ivb_admitted_in(struct director *director, struct sk_buff *skb,
		     const struct packet *packet, unsigned int *verdict)
{
	const struct netns_ipvs *ipvs = net_ipvs(director->net);
	u32 generation = leases_generation(director);
	struct session *session;
	struct ip_vs_conn *cp;
	struct flow flow;

	if (skb->ipvs_property || !READ_ONCE(ipvs->enable) ||
	    READ_ONCE(ipvs->sync_state) || !may_belong(skb, packet))
		return false;
	packet_flow(skb, packet, &flow);
	cp = conn_get(director, &flow);
	if (!cp)
		return false;
	session = session_of(cp, skb);
	if (!session) {
		__ip_vs_conn_put(cp); /* does not change the timer */
		return false;
	}
	conn_advance(cp, IPVS_BPF_ORIGINAL, skb, packet->transport);
	*verdict = ivb_request_send(session, cp, skb, packet, generation);
	atomic_inc(&cp->in_pkts);
	ip_vs_conn_put(cp);
	return true;
}
