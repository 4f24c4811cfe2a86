// SPDX-License-Identifier: GPL-2.0-only
/*
 * The flow that full NAT makes of one of either direction: for packets that name a
 * flow without being of it, which are ICMP errors.
 */
#include "flows.h"
#include "session_table.h"

/* Server -> local IP. */
static bool find_reply(struct director *director, const struct flow *flow,
		       struct translation *to)
{
	struct session *session = session_find(director, flow);
	const struct ip_vs_conn *cp;

	if (!session)
		return false;
	cp = session->conn;
	to->direction = IPVS_BPF_REPLY;
	session_translate(session, cp, IPVS_BPF_REPLY, &to->flow);
	return true;
}

/* Client -> VIP. */
static bool find_original(struct director *director, const struct flow *flow,
			  struct translation *to)
{
	struct ip_vs_conn_param param;
	struct session *session;
	struct ip_vs_conn *cp;

	ip_vs_conn_fill_param(net_ipvs(director->net), flow->family, flow->protocol,
			      &flow->saddr, flow->sport, &flow->daddr, flow->dport,
			      &param);
	cp = ip_vs_conn_in_get(&param);
	if (!cp)
		return false;
	session = is_ours(cp) ? session_of(cp) : NULL;
	if (session) {
		to->direction = IPVS_BPF_ORIGINAL;
		session_translate(session, cp, IPVS_BPF_ORIGINAL, &to->flow);
	}
	/* Leaves the timer alone. */
	__ip_vs_conn_put(cp);
	return session;
}

/* Under RCU. false: the flow is of no session. */
bool flow_find(struct director *director, const struct flow *flow,
	       struct translation *to)
{
	if (service_find(director, flow->family, flow->protocol, &flow->daddr,
			 flow->dport))
		return find_original(director, flow, to);
	return find_reply(director, flow, to);
}
