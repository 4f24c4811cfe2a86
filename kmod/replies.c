// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies of full-NAT connections: server -> local IP becomes VIP -> client. Beyond
 * that this does what IPVS's hook at FORWARD does for native ones (ip_vs_core.c:
 * handle_response()): advance the connection's state, count, and send.
 *
 * IPVS's own function is not called for this because it finds the connection by
 * client and server alone: of two virtual services that share a server and have the
 * same client address and port, it would take either. A session's reply flow is its
 * own.
 *
 * This file has what both families share, and IPv4; replies6.c has IPv6.
 */
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>

#include "leases.h"
#include "routes.h"
#include "session_table.h"
#include "unanswered.h"

/* Tells the server. icmp_send() wants the route on which the packet came. */
static void reply_error(struct sk_buff *skb, int type, int code, u32 info)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (skb_valid_dst(skb) ||
	    !ip_route_input_noref(skb, iph->daddr, iph->saddr,
				  compat_route_tos(iph), skb->dev))
		icmp_send(skb, type, code, htonl(info));
}

static void advance(struct ip_vs_conn *cp, struct sk_buff *skb,
		    const struct packet *packet)
{
	struct ip_vs_proto_data *pd = ip_vs_proto_data_get(cp->ipvs, cp->protocol);

	if (pd && pd->pp->state_transition)
		compat_state_transition(pd->pp, cp, IP_VS_DIR_OUTPUT, skb, pd,
					packet->transport);
}

/* IPVS has seen the translated reply, which has its route. Puts the connection. */
void reply_pass(struct ip_vs_conn *cp, struct sk_buff *skb,
		const struct packet *packet, struct session *session, u32 generation)
{
	account(cp, IPVS_BPF_REPLY, 1, skb->len);
	advance(cp, skb, packet);
	if (is_unanswered(session))
		unanswered_reply(session, cp, skb, packet->transport);
	if (lease_due(session, cp, IPVS_BPF_REPLY))
		lease_renew(session, cp, IPVS_BPF_REPLY, skb, generation);
	ip_vs_conn_put(cp);
}

unsigned int reply_drop(struct director *director, struct sk_buff *skb,
			struct ip_vs_conn *cp, enum counter why)
{
	ip_vs_conn_put(cp);
	count(director, why);
	kfree_skb(skb);
	return NF_STOLEN;
}

static unsigned int reply_in4(struct session *session, struct ip_vs_conn *cp,
			      struct sk_buff *skb, const struct packet *packet)
{
	struct director *director = session->director;
	u32 generation = leases_generation(director);
	struct rtable *rt;
	struct flow to;

	if (!options_pass4(skb))
		return reply_drop(director, skb, cp, COUNT_DROP_IP_OPTIONS);
	if (ip_hdr(skb)->ttl <= 1) {
		reply_error(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_TTL);
	}
	session_translate(session, cp, IPVS_BPF_REPLY, &to);
	rt = session_route4(session, IPVS_BPF_REPLY, skb, &to);
	if (IS_ERR(rt)) {
		reply_error(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_NO_ROUTE);
	}
	if (too_big4(skb, dst_mtu(&rt->dst))) {
		u32 mtu = dst_mtu(&rt->dst);

		ip_rt_put(rt);
		reply_error(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
		return reply_drop(director, skb, cp, COUNT_REPLY_TOO_BIG);
	}
	if (nat_rewrite(skb, packet, &to)) {
		ip_rt_put(rt);
		return reply_drop(director, skb, cp, COUNT_REPLY_REWRITE);
	}
	ip_decrease_ttl(ip_hdr(skb));
	if (!set_route(skb, &rt->dst))
		return reply_drop(director, skb, cp, COUNT_DROP_POLICY);
	reply_pass(cp, skb, packet, session, generation);
	return send4(director, skb);
}

static unsigned int answer(struct session *session, struct sk_buff *skb,
			   const struct packet *packet)
{
	struct director *director = session->director;
	struct ip_vs_conn *cp;

	/* The host goes on with it, and drops it. */
	if (packet->family == AF_INET && !source_is_valid4(skb))
		return NF_ACCEPT;
	if (!policy_lets_in(skb, packet->family))
		return transmit_drop(director, skb, COUNT_DROP_POLICY);
	cp = session_conn_get(session);
	if (!cp)
		return NF_ACCEPT;
#ifdef CONFIG_IP_VS_IPV6
	if (packet->family == AF_INET6)
		return reply_in6(session, cp, skb, packet);
#endif
	return reply_in4(session, cp, skb, packet);
}

/* From the hook at PREROUTING, under RCU: a packet to no service. False if it is not a
 * reply; else verdict is what becomes of it.
 */
bool reply_in(struct director *director, struct sk_buff *skb,
	      const struct packet *packet, unsigned int *verdict)
{
	struct session *session;
	struct flow flow;

	packet_flow(skb, packet, &flow);
	session = session_find(director, &flow);
	if (!session)
		return false;
	*verdict = answer(session, skb, packet);
	return true;
}
