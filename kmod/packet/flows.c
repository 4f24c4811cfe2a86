// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds the flow that full NAT makes of a flow of either direction. This is for packets
 * that name a flow without being part of it, which are ICMP errors.
 */
#include "packet/conn.h"
#include "packet/flows.h"
#include "packet/request.h"
#include "session/sessions.h"

/* Server -> local IP. */
static bool find_reply(struct director *director, const struct flow *flow,
		       struct translation *to)
{
	struct session *session = ivb_session_find(director, flow);

	if (!session)
		return false;
	to->direction = IPVS_BPF_REPLY;
	to->session = session;
	session_translate(session, session->conn, IPVS_BPF_REPLY, &to->flow);
	return true;
}

/* Client -> VIP. */
static bool find_original(struct director *director, const struct flow *flow,
			  struct translation *to)
{
	struct ip_vs_conn *cp = conn_get(director, flow);
	struct session *session;

	if (!cp)
		return false;
	session = is_ours(cp) ? conn_session(cp) : NULL;
	if (session) {
		to->direction = IPVS_BPF_ORIGINAL;
		to->session = session;
		session_translate(session, cp, IPVS_BPF_ORIGINAL, &to->flow);
	}
	/* This put does not change the timer. */
	__ip_vs_conn_put(cp);
	return session;
}

/* Called under RCU. Returns false if the flow belongs to no session. */
bool ivb_flow_find(struct director *director, const struct flow *flow,
		   struct translation *to)
{
	if (ivb_service_find(director, flow->family, flow->protocol, &flow->daddr,
			     flow->dport))
		return find_original(director, flow, to);
	return find_reply(director, flow, to);
}
