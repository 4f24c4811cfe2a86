// SPDX-License-Identifier: GPL-2.0-only
/*
 * The admission of a session's requests: their input route leads to this host, and their
 * source may come in by that interface. It is valid until a route changes, for packets
 * by the same interface and without a mark and a traffic class, because rules may route
 * other packets by these. The kernel spares the packets of its own sockets the input
 * route in the same way (net/ipv4/tcp_ipv4.c: tcp_v4_early_demux()).
 */
#include <linux/hash.h>
#include <net/ip6_fib.h>
#include <net/route.h>

#include "session/admission.h"
#include "session/routes.h"
#include "table/director.h"
#include "table/services.h"

/* A number for the routes and the interface of now. Near numbers of routes differ by more
 * than interfaces do, so two such pairs have the same one only by a rare chance.
 */
static u32 admission(const struct session *session, const struct sk_buff *skb, u8 family)
{
	return hash_32(route_number(session_director(session)->net, family), 32) ^
	       skb->dev->ifindex;
}

/* True if the packet's route is still the one that a lookup would find. */
static bool has_current_route(const struct sk_buff *skb, u8 family)
{
	struct dst_entry *dst = skb_dst(skb);
	u32 cookie = is_ipv6(family) ?
			     rt6_get_cookie(container_of(dst, struct rt6_info, dst)) : 0;

	return dst_check(dst, cookie);
}

/* Called for a request that IPVS's hook has seen, under RCU. The route may have changed
 * since it was looked up. So the number is read first: if the route is current after
 * that, it is at least as new as the number.
 */
void ivb_admit(struct session *session, const struct sk_buff *skb, u8 family)
{
	u32 now;

	/* A packet that this host sends has an output route, and came in nowhere; that
	 * of a VRF has the VRF as its device.
	 */
	if (!skb->skb_iif || !is_plain(skb, family))
		return;
	now = admission(session, skb, family);
	/* The number is read before the route is checked: see above. */
	smp_rmb();
	if (has_current_route(skb, family))
		WRITE_ONCE(session->admission, now);
}

bool ivb_is_admitted(const struct session *session, const struct sk_buff *skb, u8 family)
{
	u32 noted = READ_ONCE(session->admission);

	return noted && noted == admission(session, skb, family) &&
	       is_plain(skb, family);
}
