// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies of IPv6 full-NAT connections; see replies.c.
 */
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "ip_vs_bpf.h"

static struct dst_entry *route_to_client(struct net *net, const struct sk_buff *skb,
					 const struct in6_addr *vip)
{
	struct flowi6 fl6 = {
		.daddr = ipv6_hdr(skb)->daddr,
		.saddr = *vip,
		.flowi6_mark = skb->mark,
		.flowlabel = ip6_flowinfo(ipv6_hdr(skb)),
	};

	return ip6_route_output(net, NULL, &fl6);
}

/* Tells the server, in its own words. */
static void reply_error(struct sk_buff *skb, const struct session *session,
			const struct packet *packet, int type, int code, u32 info)
{
	if (!nat_destination(skb, packet, &session->local_ip->addr,
			     session->local_port))
		icmpv6_send(skb, type, code, info);
}

/* From the hook at PREROUTING, under RCU. */
unsigned int reply_in6(struct director *director, struct service *service,
		       struct sk_buff *skb, const struct packet *packet)
{
	union nf_inet_addr client = { .in6 = ipv6_hdr(skb)->daddr };
	union nf_inet_addr server = { .in6 = ipv6_hdr(skb)->saddr };
	struct session *session;
	struct ip_vs_conn *cp;
	struct dst_entry *dst;

	cp = reply_connection(director, service, &client, &server, packet);
	/* Half translated, it must not travel on. */
	if (!cp)
		return reply_drop(director, skb, NULL, COUNT_REPLY_NO_CONNECTION);
	session = session_of(cp);
	if (!session)
		return reply_drop(director, skb, cp, COUNT_REPLY_NO_CONNECTION);
	if (ipv6_hdr(skb)->hop_limit <= 1) {
		reply_error(skb, session, packet, ICMPV6_TIME_EXCEED,
			    ICMPV6_EXC_HOPLIMIT, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_TTL);
	}
	/* Always a counted reference, which send6() takes over. */
	dst = route_to_client(director->net, skb, &service->vaddr.in6);
	if (dst->error) {
		dst_release(dst);
		return reply_drop(director, skb, cp, COUNT_REPLY_NO_ROUTE);
	}
	if (exceeds6(skb, mtu6(dst))) {
		reply_error(skb, session, packet, ICMPV6_PKT_TOOBIG, 0, mtu6(dst));
		dst_release(dst);
		return reply_drop(director, skb, cp, COUNT_REPLY_TOO_BIG);
	}
	if (nat_source(skb, packet, &service->vaddr, service->vport)) {
		dst_release(dst);
		return reply_drop(director, skb, cp, COUNT_REPLY_REWRITE);
	}
	ipv6_hdr(skb)->hop_limit--;
	reply_pass(cp, skb, packet);
	return send6(director->net, skb, dst, 0);
}

/* A reply that the ingress program could not read, server -> local IP, or a
 * packet of somebody else's. An entry of the map may be used anew while we
 * look at it, but whatever service and client we then take out of it,
 * reply_connection() finds only a connection with this very server.
 */
unsigned int reply_untranslated6(struct director *director, struct sk_buff *skb,
				 const struct packet *packet)
{
	struct maps *maps = rcu_dereference(director->maps);
	const struct ipvs_bpf_session6 *found;
	struct ipvs_bpf_session6 entry;
	union nf_inet_addr client;
	struct service *service;
	struct ipvs_bpf_tuple6 tuple = {
		.sport = packet->ports[0],
		.dport = packet->ports[1],
		.protocol = packet->protocol,
	};
	struct packet translated = *packet;

	if (!maps)
		return NF_ACCEPT;
	memcpy(tuple.saddr, &ipv6_hdr(skb)->saddr, sizeof(tuple.saddr));
	memcpy(tuple.daddr, &ipv6_hdr(skb)->daddr, sizeof(tuple.daddr));
	found = maps->sessions6->ops->map_lookup_elem(maps->sessions6, &tuple);
	if (!found)
		return NF_ACCEPT;
	entry = *found;
	if (entry.direction != IPVS_BPF_REPLY)
		return NF_ACCEPT;
	service = xa_load(&director->service_ids, entry.service);
	if (!service || service->family != AF_INET6 ||
	    service->protocol != packet->protocol)
		return NF_ACCEPT;
	memcpy(&client, entry.daddr, sizeof(client));
	if (nat_destination(skb, packet, &client, entry.dport))
		return reply_drop(director, skb, NULL, COUNT_REPLY_REWRITE);
	translated.ports[1] = entry.dport;
	return reply_in6(director, service, skb, &translated);
}
