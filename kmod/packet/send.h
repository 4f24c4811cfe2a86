/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends a rewritten packet (send.c). */
#ifndef IP_VS_BPF_PACKET_SEND
#define IP_VS_BPF_PACKET_SEND

#include <net/ip.h>
#include <net/ipv6.h>

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

static inline unsigned int mtu_of(const struct dst_entry *dst, u8 family)
{
	if (is_ipv6(family))
		return max_t(unsigned int, dst_mtu(dst), IPV6_MIN_MTU);
	return dst_mtu(dst);
}

bool ivb_is_too_big(const struct sk_buff *skb, unsigned int mtu, u8 family);
bool ivb_set_route(struct sk_buff *skb, struct dst_entry *dst);
int ivb_send(struct director *director, struct sk_buff *skb, u8 family);
int ivb_drop(struct director *director, struct sk_buff *skb, enum counter why);

#endif
