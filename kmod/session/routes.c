// SPDX-License-Identifier: GPL-2.0-only
/*
 * The route of a packet. A session keeps the route of each of its directions as a
 * socket does (sk_dst_check()): the route itself tells when it is no longer valid. Only
 * packets without a mark and a traffic class share a kept route, because rules may
 * route other packets by these. The ports of a session do not change.
 *
 * A new session begins with the route that is kept for its server, if sessions of one server
 * cannot have different ones.
 *
 * A session holds a reference to a route that it keeps. Readers need none under RCU: until
 * the grace period ends, a route without references is not freed (dst_release()).
 */
#include <net/addrconf.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/nexthop.h>
#include <net/route.h>

#include "session/routes.h"
#include "table/director.h"
#include "table/services.h"

/* Stored instead of a route: the session has ended and keeps none. */
#define NO_MORE ERR_PTR(-ESHUTDOWN)

/* The kept route if it is valid, without a reference. */
static struct dst_entry *kept6(const struct session *session, u8 direction, u32 cookie)
{
	struct dst_entry *dst = READ_ONCE(session->route[direction]);

	/* The cookie may be that of another route. Then it makes this route invalid, or
	 * the check is true of both.
	 */
	return IS_ERR_OR_NULL(dst) || !dst_check(dst, cookie) ? NULL : dst;
}

/* The bit of a device in director->route_devices, which is set as soon as a session keeps
 * a route by the device, and stays: a later device may share it.
 */
static unsigned int device_bit(const struct net_device *dev)
{
	return dev->ifindex % ROUTE_DEVICES;
}

static void note_device(struct director *director, const struct dst_entry *dst)
{
	unsigned int bit = device_bit(dst->dev);

	if (unlikely(!test_bit(bit, director->route_devices)))
		set_bit(bit, director->route_devices);
}

/* True if sessions may keep routes by the device. */
bool ivb_routes_have_device(const struct director *director, const struct net_device *dev)
{
	return test_bit(device_bit(dev), director->route_devices);
}

/* Keeps a route; the caller's reference stays. A device that is removed is stopped
 * first, and devices.c looks at the sessions only after all readers under RCU: if the
 * device is seen running here, the kept route is seen there, and that it was noted.
 */
static void keep(struct session *session, u8 direction, struct dst_entry *dst)
{
	struct dst_entry *old = READ_ONCE(session->route[direction]);

	if (old == NO_MORE || !netif_running(dst->dev) || !dst_hold_safe(dst))
		return;
	note_device(session_director(session), dst);
	if (cmpxchg(&session->route[direction], old, dst) != old)
		old = dst; /* another CPU was first */
	dst_release(old);
}

/* Drops the routes of a device that is being removed. Called under RCU. */
void ivb_session_routes_forget(struct session *session, const struct net_device *dev)
{
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		struct dst_entry *dst = READ_ONCE(session->route[direction]);

		if (!IS_ERR_OR_NULL(dst) && dst->dev == dev &&
		    cmpxchg(&session->route[direction], dst, NULL) == dst)
			dst_release(dst);
	}
}

/* Called when the session ends. A packet on another CPU may still ask for a route. */
void ivb_session_routes_end(struct session *session)
{
	u8 direction;

	for (direction = 0; direction < 2; direction++)
		dst_release(xchg(&session->route[direction], NO_MORE));
}

/* A packet in a VRF stays there (l3mdev). A packet that this host sends has no incoming
 * device, but always a route at LOCAL_OUT: to an address of a VRF, by the VRF's device.
 */
static int master_of(const struct sk_buff *skb)
{
	return l3mdev_master_ifindex_rcu(skb->dev ?: skb_dst(skb)->dev);
}

/* The route of a packet that is translated to that flow, by all that rules may match
 * on, except for the incoming interface: as for a packet that this host sends.
 */
static struct rtable *route4(struct net *net, const struct sk_buff *skb,
			     const struct flow *to)
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
	struct rtable *rt;

	/* ip_route_output_key() would also apply IPsec policies; set_route() does
	 * that.
	 */
	rt = __ip_route_output_key(net, &fl4);
	/* The address of a client may be forged, and a reply is for one host alone, as
	 * ip_forward() would have it.
	 */
	if (!IS_ERR(rt) && rt->rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) {
		ip_rt_put(rt);
		return ERR_PTR(-EACCES);
	}
	return rt;
}

/* True if sessions of one server may have different routes: the administrator or a VRF
 * has added rules, or several next hops are chosen by more than the addresses.
 */
static bool differ4(const struct net *net)
{
#ifdef CONFIG_IP_ROUTE_MULTIPATH
	if (READ_ONCE(net->ipv4.sysctl_fib_multipath_hash_policy))
		return true;
#endif
#ifdef CONFIG_IP_MULTIPLE_TABLES
	return net->ipv4.fib_has_custom_rules;
#else
	return false;
#endif
}

/* The route that IPVS keeps for a server; or NULL. */
static struct dst_entry *kept_for_server4(const struct net *net,
					 const struct ip_vs_dest *dest)
{
	const struct ip_vs_dest_dst *kept = rcu_dereference(dest->dest_dst);

	if (!kept || !is_valid4(net, kept->dst_cache) || !dst_hold_safe(kept->dst_cache))
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

/* Keeps a route as IPVS does for its own transmitters: IPVS frees it when the server
 * changes or is removed, or its interface is removed. A connection holds the server.
 *
 * When the interface is down, IPVS frees it once, under the same lock. A route that is
 * kept after that would hold the interface until the server is removed
 * (CVE-2026-45917).
 */
static void keep_for_server(struct ip_vs_dest *dest, struct dst_entry *dst, u32 cookie)
{
	struct ip_vs_dest_dst *old, *new = kmalloc(sizeof(*new), GFP_ATOMIC);
	bool runs;

	if (!new)
		return;
	if (!dst_hold_safe(dst)) {
		kfree(new);
		return;
	}
	*new = (struct ip_vs_dest_dst){ .dst_cache = dst, .dst_cookie = cookie };
	spin_lock_bh(&dest->dst_lock);
	runs = netif_running(dst->dev);
	old = runs ? rcu_replace_pointer(dest->dest_dst, new,
					 lockdep_is_held(&dest->dst_lock)) : new;
	spin_unlock_bh(&dest->dst_lock);
	if (old)
		call_rcu(&old->rcu_head, forget);
}

/* Where routes differ by more than is known here, this one is not kept. Not inlined in the
 * function that nearly every session calls, for its stack.
 */
static noinline struct rtable *look_up_server4(struct net *net, const struct ip_vs_conn *cp)
{
	struct flowi4 fl4 = {
		.daddr = cp->daddr.ip,
		.flowi4_flags = FLOWI_FLAG_ANYSRC,
	};
	struct rtable *rt = __ip_route_output_key(net, &fl4);
	struct ip_vs_dest *dest = READ_ONCE(cp->dest);

	if (dest && !IS_ERR(rt) && !differ4(net))
		keep_for_server(dest, &rt->dst, 0);
	return rt;
}

/* The route to a new connection's server, for a packet without a mark and a traffic
 * class. Called under RCU; returns a reference for the caller.
 */
static struct rtable *server_route4(struct net *net, const struct ip_vs_conn *cp)
{
	struct ip_vs_dest *dest = READ_ONCE(cp->dest);
	struct dst_entry *dst = dest ? kept_for_server4(net, dest) : NULL;

	return likely(dst) ? (struct rtable *)dst : look_up_server4(net, cp);
}

/* See route4(). Returns NULL if there is no route. */
static struct dst_entry *route6(struct net *net, const struct sk_buff *skb,
				const struct flow *to)
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

	struct dst_entry *dst = ip6_route_output(net, NULL, &fl6);

	if (!dst->error)
		return dst;
	dst_release(dst);
	return NULL;
}

/* True if a route to a server is that of all its sessions, see differ4(). A route of IPsec
 * has no entry of its own.
 */
static bool is_shared6(const struct net *net, const struct dst_entry *dst)
{
	const struct rt6_info *rt = container_of(dst, struct rt6_info, dst);
	const struct fib6_info *from = rcu_dereference(rt->from);

	if (!from || fib6_has_custom_rules(net) || fib6_routes_require_src(net))
		return false;
	return from->nh ? !nexthop_is_multipath(from->nh) :
			  !READ_ONCE(from->fib6_nsiblings);
}

/* The route that IPVS keeps for a server, if it is that of all sessions; or NULL. Called
 * under RCU, which holds the route (forget()).
 */
static struct dst_entry *kept_for_server6(const struct net *net,
					  const struct ip_vs_dest *dest, u32 *cookie)
{
	const struct ip_vs_dest_dst *kept = rcu_dereference(dest->dest_dst);

	if (!kept || !dst_check(kept->dst_cache, kept->dst_cookie) ||
	    !is_shared6(net, kept->dst_cache))
		return NULL;
	*cookie = kept->dst_cookie;
	return kept->dst_cache;
}

/* The route of a packet that is translated to that flow. Called under RCU. */
struct route ivb_route_out(struct net *net, const struct sk_buff *skb,
			   const struct flow *to)
{
	struct dst_entry *dst;
	struct rtable *rt;

	if (is_ipv6(to->family)) {
		dst = route6(net, skb, to);
	} else {
		rt = route4(net, skb, to);
		dst = IS_ERR(rt) ? NULL : &rt->dst;
	}
	return (struct route){ .dst = dst, .held = dst };
}

/* Called under RCU if no kept route is valid for the packet. */
static struct route session_route4(struct session *session, u8 direction,
				   const struct sk_buff *skb, const struct flow *to)
{
	struct route route = ivb_route_out(session_director(session)->net, skb, to);

	if (route.dst && is_plain(skb, AF_INET))
		keep(session, direction, route.dst);
	return route;
}

/* Called under RCU, with a reference to the connection of a packet to the server. A sender
 * changes the flow label to get another of several routes (net/ipv6: flowlabel_reflect,
 * txhash).
 */
static struct route session_route6(struct session *session, u8 direction,
				   const struct sk_buff *skb, const struct flow *to)
{
	struct kept_route6 *valid = &session->route6[direction];
	__be32 label = ip6_flowlabel(ipv6_hdr(skb));
	struct net *net = session_director(session)->net;
	struct ip_vs_dest *server = NULL;
	struct dst_entry *dst = NULL;
	bool held = false;
	u32 cookie;

	if (!is_plain(skb, AF_INET6))
		return ivb_route_out(net, skb, to);
	if (label == READ_ONCE(valid->label))
		dst = kept6(session, direction, READ_ONCE(valid->cookie));
	if (likely(dst))
		return (struct route){ .dst = dst };
	if (direction == IPVS_BPF_ORIGINAL)
		server = READ_ONCE(session->conn->dest);
	if (server)
		dst = kept_for_server6(net, server, &cookie);
	if (!dst) {
		dst = route6(net, skb, to);
		if (!dst)
			return (struct route){};
		held = true;
		cookie = rt6_get_cookie(container_of(dst, struct rt6_info, dst));
		if (server && is_shared6(net, dst))
			keep_for_server(server, dst, cookie);
	}
	WRITE_ONCE(valid->label, label);
	WRITE_ONCE(valid->cookie, cookie);
	keep(session, direction, dst);
	return (struct route){ .dst = dst, .held = held };
}

/* session_route() of a packet for which no route of IPv4 is kept. Called under RCU. */
struct route ivb_session_route(struct session *session, u8 direction,
			       const struct sk_buff *skb, const struct flow *to)
{
	return is_ipv6(to->family) ? session_route6(session, direction, skb, to) :
				     session_route4(session, direction, skb, to);
}

/* True if the server is this host. Also returns the route to the server if the lookup
 * finds one, with a reference, because the first packet will need it.
 */
bool ivb_server_is_local(struct director *director, const struct ip_vs_conn *cp,
			 struct dst_entry **route)
{
	struct net *net = director->net;
	struct ip_vs_dest *dest = READ_ONCE(cp->dest);
	struct dst_entry *dst;
	struct rtable *rt;
	u32 cookie;

	if (is_ipv6(cp->af)) {
		dst = dest ? kept_for_server6(net, dest, &cookie) : NULL;
		return dst ? container_of(dst, struct rt6_info, dst)->rt6i_flags & RTF_LOCAL :
			     ipv6_chk_addr(net, &cp->daddr.in6, NULL, 0);
	}
	rt = server_route4(net, cp);
	/* The packet's sender will be told why. */
	if (IS_ERR(rt))
		return false;
	if (rt->rt_type == RTN_LOCAL) {
		ip_rt_put(rt);
		return true;
	}
	if (differ4(net)) {
		ip_rt_put(rt);
		return false;
	}
	/* As in keep(), but of a device that was stopped no route is valid. */
	note_device(director, &rt->dst);
	*route = &rt->dst;
	return false;
}
