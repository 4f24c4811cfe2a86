// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies of full-NAT connections. The ingress program has turned the
 * destination from the local IP to the client and left the service's id; what
 * remains is what IPVS's hook at FORWARD does for native ones
 * (ip_vs_core.c: handle_response()): rewrite the source to the VIP, advance
 * the connection's state, count, and send.
 *
 * IPVS's own function is not called for this because it finds the connection
 * by client and server alone: of two virtual services that share a server and
 * have the same client address and port, it would take either. We know the
 * service and look the connection up by its original tuple.
 *
 * This file has what both families share, and IPv4; replies6.c has IPv6.
 */
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>

#include "flows.h"
#include "leases.h"
#include "routes.h"
#include "unanswered.h"

static bool is_of(const struct ip_vs_conn *cp, const struct service *service,
		  const union nf_inet_addr *server, __be16 port)
{
	return is_ours(cp) && cp->packet_xmit != transmit_refusal &&
	       cp->vport == service->vport && cp->dport == port &&
	       ip_vs_addr_equal(cp->af, &cp->vaddr, &service->vaddr) &&
	       ip_vs_addr_equal(cp->af, &cp->daddr, server);
}

/* NULL: none of ours. The caller puts it. */
struct ip_vs_conn *reply_connection(struct director *director,
				    const struct service *service,
				    const union nf_inet_addr *client,
				    const union nf_inet_addr *server,
				    const struct packet *packet)
{
	struct netns_ipvs *ipvs = net_ipvs(director->net);
	struct ip_vs_conn_param param;
	struct ip_vs_conn *cp;

	ip_vs_conn_fill_param(ipvs, packet->family, packet->protocol, client,
			      packet->ports[1], &service->vaddr, service->vport,
			      &param);
	cp = ip_vs_conn_in_get(&param);
	if (cp && is_of(cp, service, server, packet->ports[0]))
		return cp;
	/* Leaves the timer of somebody else's connection alone. */
	if (cp)
		__ip_vs_conn_put(cp);
	/* The client has begun another connection of the same tuple meanwhile
	 * (originals.c), with another server.
	 */
	ip_vs_conn_fill_param(ipvs, packet->family, packet->protocol, server,
			      packet->ports[0], client, packet->ports[1], &param);
	cp = ip_vs_conn_out_get(&param);
	if (cp && is_of(cp, service, server, packet->ports[0]))
		return cp;
	if (cp)
		__ip_vs_conn_put(cp);
	return NULL;
}

/* Tells the server, in its own words: the packet that it sent went to the
 * local IP.
 */
static void reply_error(struct sk_buff *skb, const struct session *session,
			const struct packet *packet, int type, int code, u32 info)
{
	const struct iphdr *iph;

	if (nat_destination(skb, packet, &session->local_ip->addr,
			    session->local_port))
		return;
	iph = ip_hdr(skb);
	/* icmp_send() wants the route on which the packet came. */
	if (!ip_route_input_noref(skb, iph->daddr, iph->saddr,
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

/* IPVS has seen the translated reply, which leaves by that route. Puts the
 * connection.
 */
void reply_pass(struct ip_vs_conn *cp, struct sk_buff *skb,
		const struct packet *packet, struct session *session,
		const struct dst_entry *dst)
{
	account(cp, IPVS_BPF_REPLY, 1, skb->len);
	advance(cp, skb, packet);
	if (is_unanswered(session))
		unanswered_reply(session, cp, skb, packet->transport);
	if (lease_due(session, cp, IPVS_BPF_REPLY))
		lease_renew(session, cp, IPVS_BPF_REPLY, dst, &cp->caddr);
	ip_vs_conn_put(cp);
}

unsigned int reply_drop(struct director *director, struct sk_buff *skb,
			struct ip_vs_conn *cp, enum counter why)
{
	if (cp)
		ip_vs_conn_put(cp);
	count(director, why);
	kfree_skb(skb);
	return NF_STOLEN;
}

/* From the hook at PREROUTING, under RCU. */
unsigned int reply_in4(struct director *director, struct service *service,
		       struct sk_buff *skb, const struct packet *packet)
{
	union nf_inet_addr client = { .ip = ip_hdr(skb)->daddr };
	union nf_inet_addr server = { .ip = ip_hdr(skb)->saddr };
	struct session *session;
	struct ip_vs_conn *cp;
	struct rtable *rt;

	cp = reply_connection(director, service, &client, &server, packet);
	/* Half translated, it must not travel on. */
	if (!cp)
		return reply_drop(director, skb, NULL, COUNT_REPLY_NO_CONNECTION);
	session = session_of(cp);
	if (!session)
		return reply_drop(director, skb, cp, COUNT_REPLY_NO_CONNECTION);
	if (!options_pass4(skb))
		return reply_drop(director, skb, cp, COUNT_DROP_IP_OPTIONS);
	if (ip_hdr(skb)->ttl <= 1) {
		reply_error(skb, session, packet, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_TTL);
	}
	rt = session_route4(session, IPVS_BPF_REPLY, skb, client.ip,
			    service->vaddr.ip);
	if (IS_ERR(rt)) {
		reply_error(skb, session, packet, ICMP_DEST_UNREACH,
			    ICMP_HOST_UNREACH, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_NO_ROUTE);
	}
	if (too_big4(skb, dst_mtu(&rt->dst))) {
		u32 mtu = dst_mtu(&rt->dst);

		ip_rt_put(rt);
		reply_error(skb, session, packet, ICMP_DEST_UNREACH,
			    ICMP_FRAG_NEEDED, mtu);
		return reply_drop(director, skb, cp, COUNT_REPLY_TOO_BIG);
	}
	if (nat_source(skb, packet, &service->vaddr, service->vport)) {
		ip_rt_put(rt);
		return reply_drop(director, skb, cp, COUNT_REPLY_REWRITE);
	}
	ip_decrease_ttl(ip_hdr(skb));
	reply_pass(cp, skb, packet, session, &rt->dst);
	return send4(director->net, skb, rt, 0);
}

static void read_flow(const struct sk_buff *skb, const struct packet *packet,
		      struct flow *flow)
{
	*flow = (struct flow){
		.sport = packet->ports[0],
		.dport = packet->ports[1],
		.family = packet->family,
		.protocol = packet->protocol,
	};
	if (packet->family == AF_INET6) {
		flow->saddr.in6 = ipv6_hdr(skb)->saddr;
		flow->daddr.in6 = ipv6_hdr(skb)->daddr;
	} else {
		flow->saddr.ip = ip_hdr(skb)->saddr;
		flow->daddr.ip = ip_hdr(skb)->daddr;
	}
}

/* A reply that the ingress program could not read, server -> local IP, or a
 * packet of somebody else's. A session may end while we look: whatever service
 * and client we find, reply_connection() finds only a connection with this very
 * server.
 */
unsigned int reply_untranslated(struct director *director, struct sk_buff *skb,
				const struct packet *packet)
{
	struct packet translated = *packet;
	struct translation to;
	struct service *service;
	struct flow flow;

	read_flow(skb, packet, &flow);
	if (!flow_find(director, &flow, &to) || to.direction != IPVS_BPF_REPLY)
		return NF_ACCEPT;
	service = xa_load(&director->service_ids, to.service);
	if (!service || service->family != packet->family ||
	    service->protocol != packet->protocol)
		return NF_ACCEPT;
	if (nat_destination(skb, packet, &to.flow.daddr, to.flow.dport))
		return reply_drop(director, skb, NULL, COUNT_REPLY_REWRITE);
	translated.ports[1] = to.flow.dport;
#ifdef CONFIG_IP_VS_IPV6
	if (packet->family == AF_INET6)
		return reply_in6(director, service, skb, &translated);
#endif
	return reply_in4(director, service, skb, &translated);
}
