/* SPDX-License-Identifier: GPL-2.0-only */
/* The route of a packet (routes.c). */
#ifndef IP_VS_BPF_SESSION_ROUTES
#define IP_VS_BPF_SESSION_ROUTES

#include <net/inet_ecn.h>

#include "compat.h"
#include "table/flow.h"
#include "table/session.h"

/* True if the packet has neither a mark nor a traffic class, by which rules may route it
 * another way.
 */
static inline bool is_plain(const struct sk_buff *skb, u8 family)
{
	u8 dsfield = is_ipv6(family) ? ipv6_get_dsfield(ipv6_hdr(skb)) : ip_hdr(skb)->tos;

	return !skb->mark && !(dsfield & ~INET_ECN_MASK);
}

/* A number that changes when routes of the family change. The kernel has no number that
 * every change of IPv6 routes changes. An addition changes the first number here, a
 * deletion alone only the second.
 */
static inline u32 route_number(const struct net *net, u8 family)
{
	if (!is_ipv6(family))
		return rt_genid_ipv4(net);
#if IS_ENABLED(CONFIG_IPV6)
	return rt_genid_ipv6(net) +
	       GOLDEN_RATIO_32 * (net->ipv6.rt6_stats ?
				  READ_ONCE(net->ipv6.rt6_stats->fib_rt_entries) : 0);
#else
	return 0;
#endif
}

struct dst_entry *ivb_route_out(struct net *net, const struct sk_buff *skb,
				const struct flow *to);
struct dst_entry *ivb_session_route(struct session *session, u8 direction,
				    const struct sk_buff *skb, const struct flow *to);
bool ivb_server_is_local(struct net *net, const struct ip_vs_conn *cp,
			 struct dst_entry **route);
void ivb_session_routes_forget(struct session *session, const struct net_device *dev);
void ivb_session_routes_end(struct session *session);

#endif
