/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends a rewritten packet (send.c). */
#ifndef IP_VS_BPF_PACKET_SEND
#define IP_VS_BPF_PACKET_SEND

#include <net/ip.h>
#include <net/ipv6.h>
#include <net/xfrm.h>

#include "session/routes.h"
#include "table/counters.h"
#include "table/flow.h"

/* The hop limit; for IPv4 the TTL. */
static inline u8 hop_limit(const struct sk_buff *skb, u8 family)
{
	return is_ipv6(family) ? ipv6_hdr(skb)->hop_limit : ip_hdr(skb)->ttl;
}

static inline void decrease_hop_limit(struct sk_buff *skb, u8 family)
{
	if (is_ipv6(family))
		ipv6_hdr(skb)->hop_limit--;
	else
		ip_decrease_ttl(ip_hdr(skb));
}

/* True if nothing but its device limits the MTU of a route of IPv4. */
static inline bool has_mtu_of_device4(const struct dst_entry *dst)
{
	const struct rtable *rt = container_of(dst, struct rtable, dst);

	return dst_metrics_ptr((struct dst_entry *)dst) == dst_default_metrics.metrics &&
	       !rt->rt_pmtu && !rt->rt_mtu_locked && !dst->lwtstate && !dst_xfrm(dst);
}

static inline unsigned int mtu_of(const struct dst_entry *dst, u8 family)
{
	if (is_ipv6(family))
		return max_t(unsigned int, dst_mtu(dst), IPV6_MIN_MTU);
	/* As ipv4_mtu() in that case, without its call. */
	if (likely(has_mtu_of_device4(dst)))
		return min_t(unsigned int, READ_ONCE(dst->dev->mtu), IP_MAX_MTU);
	return dst_mtu(dst);
}

bool ivb_exceeds_mtu(const struct sk_buff *skb, unsigned int mtu, u8 family);
int ivb_send(struct director *director, struct sk_buff *skb, u8 family);
int ivb_drop(struct director *director, struct sk_buff *skb, enum counter why);

/* True if the packet's sender needs an error. */
static inline bool is_too_big(const struct sk_buff *skb, unsigned int mtu, u8 family)
{
	return unlikely(skb->len > mtu) && ivb_exceeds_mtu(skb, mtu, family);
}

/* Gives a rewritten packet its route, whose reference it takes over, or the route that
 * IPsec policies make of it. Returns false if they forbid it. Called under RCU.
 */
static inline bool set_route(struct sk_buff *skb, struct route route)
{
	struct net_device *dev = skb->dev;
	bool allowed;

	skb_dst_drop(skb);
	if (route.held)
		skb_dst_set(skb, route.dst);
	else
		skb_dst_set_noref(skb, route.dst);
	/* A packet of this host itself came in by no interface, but the namespace of
	 * the policies is found by one.
	 */
	skb->dev = dev ?: route.dst->dev;
	allowed = xfrm_route_forward(skb, route.dst->ops->family);
	skb->dev = dev;
	return allowed;
}

#endif
