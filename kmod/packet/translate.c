// SPDX-License-Identifier: GPL-2.0-only
/*
 * Full NAT of a packet of a session, in either direction: its route, its new addresses
 * and ports, and the error to its sender if that is not possible.
 */
#include <linux/icmpv6.h>
#include <net/dst_metadata.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/route.h>

#include "packet/checks.h"
#include "packet/nat.h"
#include "packet/send.h"
#include "packet/translate.h"
#include "session/routes.h"
#include "table/services.h"

/* The reason why a packet cannot go on. */
enum obstacle { TTL, NO_ROUTE, TOO_BIG, REWRITE, POLICY, OBSTACLES };

static const struct {
	enum counter counter[2]; /* by enum ipvs_bpf_direction */
	bool told;               /* the sender gets an error; which one, by family */
	u8 type[FAMILIES];
	u8 code[FAMILIES];
} obstacles[OBSTACLES] = {
	[TTL] = {
		{ COUNT_DROP_TTL, COUNT_REPLY_TTL }, true,
		{ ICMP_TIME_EXCEEDED, ICMPV6_TIME_EXCEED },
		{ ICMP_EXC_TTL, ICMPV6_EXC_HOPLIMIT },
	},
	[NO_ROUTE] = {
		{ COUNT_DROP_NO_ROUTE, COUNT_REPLY_NO_ROUTE }, true,
		{ ICMP_DEST_UNREACH, ICMPV6_DEST_UNREACH },
		{ ICMP_HOST_UNREACH, ICMPV6_NOROUTE },
	},
	[TOO_BIG] = {
		{ COUNT_DROP_TOO_BIG, COUNT_REPLY_TOO_BIG }, true,
		{ ICMP_DEST_UNREACH, ICMPV6_PKT_TOOBIG },
		{ ICMP_FRAG_NEEDED, 0 },
	},
	[REWRITE] = { { COUNT_DROP_REWRITE, COUNT_REPLY_REWRITE } },
	[POLICY] = { { COUNT_DROP_POLICY, COUNT_DROP_POLICY } },
};

/* icmp_send() needs the route by which the packet came. */
static void send_error4(struct sk_buff *skb, enum obstacle obstacle, u32 mtu)
{
	if (skb_valid_dst(skb) || route_input4(skb, ip_hdr(skb)->daddr))
		icmp_send(skb, obstacles[obstacle].type[IPV4],
			  obstacles[obstacle].code[IPV4], htonl(mtu));
}

/* Drops the packet. mtu is that of the route, if it is the obstacle. */
static bool reject(struct session *session, u8 direction, struct sk_buff *skb,
		   u8 family, enum obstacle obstacle, u32 mtu)
{
	if (obstacles[obstacle].told) {
		if (is_ipv6(family))
			icmpv6_send(skb, obstacles[obstacle].type[IPV6],
				    obstacles[obstacle].code[IPV6], mtu);
		else
			send_error4(skb, obstacle, mtu);
	}
	ivb_drop(session_director(session), skb, obstacles[obstacle].counter[direction]);
	return false;
}

/* False if the packet is too big with what IPsec adds, as ip_forward() has it. The kernel
 * itself tells the sender only in tunnel mode. The packet is translated, so the error goes
 * to the local IP or the VIP, and is translated on its way: hooks.c: local_out4().
 */
static bool fits_ipsec(const struct sk_buff *skb, u8 family)
{
	const struct dst_entry *dst = skb_dst(skb);

	return likely(!dst_xfrm(dst)) || !is_too_big(skb, mtu_of(dst, family), family);
}

/* Translates the packet to the other side and sets its route. Returns false if it was
 * dropped and its sender got an error. Called under RCU.
 */
bool ivb_translate(struct session *session, const struct ip_vs_conn *cp, u8 direction,
		   struct sk_buff *skb, const struct packet *packet)
{
	u8 family = packet->family;
	struct route route;
	struct flow to;
	u32 mtu;

	if (hop_limit(skb, family) <= 1)
		return reject(session, direction, skb, family, TTL, 0);
	session_translate(session, cp, direction, &to);
	route = session_route(session, direction, skb, &to);
	if (!route.dst)
		return reject(session, direction, skb, family, NO_ROUTE, 0);
	mtu = mtu_of(route.dst, family);
	if (is_too_big(skb, mtu, family)) {
		route_put(route);
		return reject(session, direction, skb, family, TOO_BIG, mtu);
	}
	if (ivb_nat_rewrite(skb, packet, &to)) {
		route_put(route);
		return reject(session, direction, skb, family, REWRITE, 0);
	}
	decrease_hop_limit(skb, family);
	/* As ip_forward() does. For IPv6 the priority stays. */
	if (!is_ipv6(family) &&
	    READ_ONCE(session_director(session)->net->ipv4.sysctl_ip_fwd_update_priority))
		skb->priority = rt_tos2priority(ip_hdr(skb)->tos);
	if (!set_route(skb, route))
		return reject(session, direction, skb, family, POLICY, 0);
	return fits_ipsec(skb, family) ||
	       reject(session, direction, skb, family, TOO_BIG,
		      mtu_of(skb_dst(skb), family));
}
