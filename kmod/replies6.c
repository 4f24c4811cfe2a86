// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replies of IPv6 full-NAT connections; see replies.c.
 */
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "leases.h"
#include "routes.h"
#include "session_table.h"

/* Puts the connection. */
unsigned int reply_in6(struct session *session, struct ip_vs_conn *cp,
		       struct sk_buff *skb, const struct packet *packet)
{
	struct director *director = session->director;
	u32 generation = leases_generation(director);
	struct dst_entry *dst;
	struct flow to;

	if (ipv6_hdr(skb)->hop_limit <= 1) {
		icmpv6_send(skb, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_TTL);
	}
	session_translate(session, cp, IPVS_BPF_REPLY, &to);
	/* Always a counted reference, which set_route() takes over. */
	dst = session_route6(session, IPVS_BPF_REPLY, skb, &to);
	if (dst->error) {
		dst_release(dst);
		icmpv6_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
		return reply_drop(director, skb, cp, COUNT_REPLY_NO_ROUTE);
	}
	if (exceeds6(skb, mtu6(dst))) {
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu6(dst));
		dst_release(dst);
		return reply_drop(director, skb, cp, COUNT_REPLY_TOO_BIG);
	}
	if (nat_rewrite(skb, packet, &to)) {
		dst_release(dst);
		return reply_drop(director, skb, cp, COUNT_REPLY_REWRITE);
	}
	ipv6_hdr(skb)->hop_limit--;
	if (!set_route(skb, dst))
		return reply_drop(director, skb, cp, COUNT_DROP_POLICY);
	reply_pass(cp, skb, packet, session, generation);
	return send6(director, skb);
}
