/* SPDX-License-Identifier: GPL-2.0-only */
/* The route of a packet (routes.c). */
#ifndef IP_VS_BPF_SESSION_ROUTES
#define IP_VS_BPF_SESSION_ROUTES

#include <net/inet_ecn.h>

#include "compat.h"
#include "table/director.h"
#include "table/services.h"

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

/* A packet's route. If it is not held, its session holds it: then it is valid under RCU, and
 * code that queues the packet takes a reference (skb_dst_force()).
 */
struct route {
	struct dst_entry *dst; /* NULL: there is none */
	bool held;             /* the owner of this has a reference */
};

static inline void route_put(struct route route)
{
	if (route.held)
		dst_release(route.dst);
}

struct route ivb_route_out(struct net *net, const struct sk_buff *skb,
			   const struct flow *to);
struct route ivb_session_route(struct session *session, u8 direction,
			       const struct sk_buff *skb, const struct flow *to);

/* dst_check() of a route of IPv4, without the call of ipv4_dst_check() where its answer is
 * yes. IPVS may keep a route of IPsec.
 */
static inline bool is_valid4(const struct net *net, struct dst_entry *dst)
{
	const struct rtable *rt = container_of(dst, struct rtable, dst);

	return likely(READ_ONCE(dst->obsolete) == DST_OBSOLETE_FORCE_CHK &&
		      !dst_xfrm(dst) && rt->rt_genid == rt_genid_ipv4(net)) ||
	       dst_check(dst, 0);
}

/* The route of a packet of a direction of a session, which keeps it. Called under RCU. */
static inline struct route session_route(struct session *session, u8 direction,
					 const struct sk_buff *skb, const struct flow *to)
{
	struct dst_entry *dst = READ_ONCE(session->route[direction]);

	if (!is_ipv6(to->family) && is_plain(skb, AF_INET) && !IS_ERR_OR_NULL(dst) &&
	    likely(is_valid4(session_director(session)->net, dst)))
		return (struct route){ .dst = dst };
	return ivb_session_route(session, direction, skb, to);
}

bool ivb_server_is_local(struct director *director, const struct ip_vs_conn *cp,
			 struct dst_entry **route);
bool ivb_routes_have_device(const struct director *director, const struct net_device *dev);
void ivb_session_routes_forget(struct session *session, const struct net_device *dev);
void ivb_session_routes_end(struct session *session);

#endif
