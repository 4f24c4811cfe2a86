// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way out of a packet. A session keeps the route of each of its directions
 * as a socket does (sk_dst_check()): the route itself tells when it is no more
 * valid. Only packets without a mark and a traffic class share one, since rules
 * may route others by them. Which ports a session has does not change.
 *
 * A new session begins with the route that is kept for its server.
 *
 * A session holds a reference to a route that it keeps. Readers take one of
 * their own under RCU, before which a route without any is not freed
 * (dst_release()).
 */
#include <net/inet_ecn.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/route.h>

#include "routes.h"

/* In the place of a route: the session has ended and keeps none. */
#define NO_MORE ERR_PTR(-ESHUTDOWN)

static struct dst_entry *kept(const struct session *session, u8 direction)
{
	struct dst_entry *dst = READ_ONCE(session->route[direction].dst);

	/* A cookie of another route than this one finds it invalid, or finds
	 * what is true of both.
	 */
	if (IS_ERR_OR_NULL(dst) ||
	    !dst_check(dst, READ_ONCE(session->route[direction].cookie)) ||
	    !dst_hold_safe(dst))
		return NULL;
	return dst;
}

/* Leaves the caller's reference alone. A device that goes is stopped first, and
 * readers under RCU are waited for before devices.c looks at the sessions: who sees
 * it running here is seen there.
 */
static void keep(struct session *session, u8 direction, struct dst_entry *dst,
		 u32 cookie)
{
	struct dst_entry *old = READ_ONCE(session->route[direction].dst);

	if (old == NO_MORE || !netif_running(dst->dev) || !dst_hold_safe(dst))
		return;
	WRITE_ONCE(session->route[direction].cookie, cookie);
	if (cmpxchg(&session->route[direction].dst, old, dst) != old)
		old = dst; /* another CPU was first */
	dst_release(old);
}

/* The device goes. Under RCU. */
void session_routes_forget(struct session *session, const struct net_device *dev)
{
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		struct dst_entry *dst = READ_ONCE(session->route[direction].dst);

		if (!IS_ERR_OR_NULL(dst) && dst->dev == dev &&
		    cmpxchg(&session->route[direction].dst, dst, NULL) == dst)
			dst_release(dst);
	}
}

/* The session ends. A packet on another CPU may still ask for a route. */
void session_routes_end(struct session *session)
{
	u8 direction;

	for (direction = 0; direction < 2; direction++)
		dst_release(xchg(&session->route[direction].dst, NO_MORE));
}

/* A packet in a VRF stays there (l3mdev). What this host sends has come in nowhere. */
static int master_of(const struct sk_buff *skb)
{
	return skb->dev ? l3mdev_master_ifindex_rcu(skb->dev) : 0;
}

/* The way of a packet that is translated to that flow, by all that rules may ask about
 * it but where it came in: as for what this host itself sends.
 */
struct rtable *route4(struct net *net, const struct sk_buff *skb, const struct flow *to)
{
	struct flowi4 fl4 = {
		.daddr = to->daddr.ip,
		.saddr = to->saddr.ip,
		.fl4_sport = to->sport,
		.fl4_dport = to->dport,
		.flowi4_proto = to->protocol,
		.flowi4_oif = master_of(skb),
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
		.flowi4_mark = skb->mark,
		compat_flow_tos(ip_hdr(skb)),
	};

	/* Not ip_route_output_key(), which would ask IPsec policies: set_route() does. */
	return __ip_route_output_key(net, &fl4);
}

/* True if there are rules of the administrator's, or of a VRF. */
bool routes_by_rules4(const struct net *net)
{
#ifdef CONFIG_IP_MULTIPLE_TABLES
	return net->ipv4.fib_has_custom_rules;
#else
	return false;
#endif
}

/* The route that is kept where IPVS keeps that to a server; or NULL. */
static struct dst_entry *kept_by(const struct ip_vs_dest *dest)
{
	const struct ip_vs_dest_dst *kept = rcu_dereference(dest->dest_dst);

	if (!kept || !dst_check(kept->dst_cache, kept->dst_cookie) ||
	    !dst_hold_safe(kept->dst_cache))
		return NULL;
	return kept->dst_cache;
}

static void forget(struct rcu_head *rcu)
{
	struct ip_vs_dest_dst *kept = container_of(rcu, struct ip_vs_dest_dst,
						   rcu_head);

	dst_release(kept->dst_cache);
	kfree(kept);
}

/* As IPVS does for its own transmitters: it frees what is kept there when the
 * server changes or goes, or its interface. A connection holds the server.
 *
 * IPVS does so once, under the same lock, when the interface is down. What came to be
 * kept after that would hold the interface until the server goes (CVE-2026-45917).
 */
static void keep_by(struct ip_vs_dest *dest, struct dst_entry *dst)
{
	struct ip_vs_dest_dst *old, *new = kmalloc(sizeof(*new), GFP_ATOMIC);
	bool runs;

	if (!new)
		return;
	if (!dst_hold_safe(dst)) {
		kfree(new);
		return;
	}
	*new = (struct ip_vs_dest_dst){ .dst_cache = dst };
	spin_lock_bh(&dest->dst_lock);
	runs = netif_running(dst->dev);
	old = runs ? rcu_replace_pointer(dest->dest_dst, new,
					 lockdep_is_held(&dest->dst_lock)) : new;
	spin_unlock_bh(&dest->dst_lock);
	if (old)
		call_rcu(&old->rcu_head, forget);
}

/* Of a new connection's server, for a packet without a mark and a traffic class.
 * Under RCU; with a reference of the caller's. Rules may ask about more than is known
 * here: then it is not kept.
 */
struct rtable *server_route4(struct net *net, const struct ip_vs_conn *cp)
{
	struct flowi4 fl4 = {
		.daddr = cp->daddr.ip,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct dst_entry *dst = cp->dest ? kept_by(cp->dest) : NULL;
	struct rtable *rt;

	if (likely(dst))
		return (struct rtable *)dst;
	rt = __ip_route_output_key(net, &fl4);
	if (cp->dest && !IS_ERR(rt) && !routes_by_rules4(net))
		keep_by(cp->dest, &rt->dst);
	return rt;
}

/* Under RCU; with a reference of the caller's. */
struct rtable *session_route4(struct session *session, u8 direction,
			      const struct sk_buff *skb, const struct flow *to)
{
	bool plain = !skb->mark && !(ip_hdr(skb)->tos & ~INET_ECN_MASK);
	struct dst_entry *dst = plain ? kept(session, direction) : NULL;
	struct rtable *rt;

	if (likely(dst))
		return (struct rtable *)dst;
	rt = route4(session->director->net, skb, to);
	if (plain && !IS_ERR(rt))
		keep(session, direction, &rt->dst, 0);
	return rt;
}

#ifdef CONFIG_IP_VS_IPV6
/* See route4(). Always a counted reference. */
struct dst_entry *route6(struct net *net, const struct sk_buff *skb, const struct flow *to)
{
	struct flowi6 fl6 = {
		.daddr = to->daddr.in6,
		.saddr = to->saddr.in6,
		.fl6_sport = to->sport,
		.fl6_dport = to->dport,
		.flowi6_proto = to->protocol,
		.flowi6_oif = master_of(skb),
		.flowi6_mark = skb->mark,
		.flowlabel = ip6_flowinfo(ipv6_hdr(skb)),
	};

	return ip6_route_output(net, NULL, &fl6);
}

/* Under RCU; with a reference of the caller's. A sender changes the flow label
 * to get another of several ways (net/ipv6: flowlabel_reflect, txhash).
 */
struct dst_entry *session_route6(struct session *session, u8 direction,
				 const struct sk_buff *skb, const struct flow *to)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	__be32 label = ip6_flowlabel(iph);
	bool plain = !skb->mark && !(ipv6_get_dsfield(iph) & ~INET_ECN_MASK);
	struct dst_entry *dst = NULL;

	if (plain && label == READ_ONCE(session->route[direction].label))
		dst = kept(session, direction);
	if (likely(dst))
		return dst;
	dst = route6(session->director->net, skb, to);
	if (plain && !dst->error) {
		WRITE_ONCE(session->route[direction].label, label);
		keep(session, direction, dst, rt6_get_cookie((struct rt6_info *)dst));
	}
	return dst;
}
#endif
