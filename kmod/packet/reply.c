// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies of full-NAT connections: server -> local IP becomes VIP -> client. Otherwise
 * this does what IPVS's hook at FORWARD does for native replies (ip_vs_core.c:
 * handle_response()): advance the connection's state, count, and send.
 *
 * IPVS's own function is not called because it finds the connection by client and
 * server alone. If two virtual services share a server and have the same client address
 * and port, it would take either. The reply flow of a session is unique.
 */
#include "packet/checks.h"
#include "packet/conn.h"
#include "packet/reply.h"
#include "packet/send.h"
#include "packet/toa.h"
#include "packet/translate.h"
#include "session/leases.h"
#include "session/sessions.h"
#include "session/unanswered.h"

/* Lets IPVS count and track the translated reply, which has its route. */
static void pass(struct session *session, struct ip_vs_conn *cp, struct sk_buff *skb,
		 const struct packet *packet, u32 generation)
{
	conn_advance(cp, IPVS_BPF_REPLY, skb, packet->transport);
	if (is_unanswered(session))
		ivb_unanswered_reply(session, cp, skb, packet->transport);
	toa_reply(session, skb, packet->transport);
	if (lease_due(session, cp, IPVS_BPF_REPLY))
		ivb_lease_renew(session, cp, IPVS_BPF_REPLY, skb, generation);
}

static unsigned int answer(struct session *session, struct sk_buff *skb,
			   const struct packet *packet)
{
	struct director *director = session_director(session);
	u32 generation = leases_generation(director);
	struct ip_vs_conn *cp;

	/* The host continues with the packet, and drops it. */
	if (packet->family == AF_INET && !ivb_source_is_valid4(skb))
		return NF_ACCEPT;
	if (!policy_lets_in(skb, packet->family))
		return ivb_drop(director, skb, COUNT_DROP_POLICY);
	cp = ivb_session_conn_get(session);
	if (!cp)
		return NF_ACCEPT;
	if (packet->family == AF_INET && !options_pass4(skb)) {
		ip_vs_conn_put(cp);
		return ivb_drop(director, skb, COUNT_DROP_IP_OPTIONS);
	}
	if (!ivb_translate(session, cp, IPVS_BPF_REPLY, skb, packet)) {
		ip_vs_conn_put(cp);
		return NF_STOLEN;
	}
	pass(session, cp, skb, packet, generation);
	ip_vs_conn_put(cp);
	return ivb_send(director, skb, packet->family);
}

/* Called from the hook at PREROUTING, under RCU, for a packet to no service. Returns
 * false if it is not a reply; else verdict says what to do with it.
 */
bool ivb_reply_in(struct director *director, struct sk_buff *skb,
		  const struct packet *packet, unsigned int *verdict)
{
	struct session *session;
	struct flow flow;

	packet_flow(skb, packet, &flow);
	session = ivb_session_find(director, &flow);
	if (!session)
		return false;
	*verdict = answer(session, skb, packet);
	return true;
}
