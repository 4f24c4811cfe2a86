// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies of IPv6 full-NAT connections; see replies.c.
 */
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "routes.h"

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
	dst = session_route6(session, IPVS_BPF_REPLY, skb, &client.in6,
			     &service->vaddr.in6);
	if (dst->error) {
		dst_release(dst);
		reply_error(skb, session, packet, ICMPV6_DEST_UNREACH,
			    ICMPV6_NOROUTE, 0);
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
	reply_pass(cp, skb, packet, session, dst);
	return send6(director->net, skb, dst, 0);
}
