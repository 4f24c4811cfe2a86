// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMPv6 errors; see errors.c.
 */
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <linux/netfilter_ipv6.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "errors.h"
#include "routes.h"

static bool is_error(u8 type)
{
	return type == ICMPV6_DEST_UNREACH || type == ICMPV6_PKT_TOOBIG ||
	       type == ICMPV6_TIME_EXCEED || type == ICMPV6_PARAMPROB;
}

/* The offset of what follows the extension headers of the IPv6 header at an
 * offset, and its protocol in next; negative: cut short, or a fragment that is
 * not the first. Bounded by the packet.
 */
static int skip_extensions(const struct sk_buff *skb, unsigned int header, u8 *next)
{
	__be16 fragment;
	int offset = ipv6_skip_exthdr(skb, header + sizeof(struct ipv6hdr), next,
				      &fragment);

	return fragment & htons(IP6_OFFSET) ? -EPROTONOSUPPORT : offset;
}

/* false: no error, or about nothing that has ports. */
static bool read(const struct sk_buff *skb, struct error *error)
{
	struct icmp6hdr icmp_buffer;
	const struct icmp6hdr *icmp;
	struct ipv6hdr inner_buffer;
	const struct ipv6hdr *inner;
	u8 next = ipv6_hdr(skb)->nexthdr;
	int offset = skip_extensions(skb, 0, &next);

	if (offset < 0 || next != IPPROTO_ICMPV6)
		return false;
	error->icmp = offset;
	icmp = skb_header_pointer(skb, error->icmp, sizeof(*icmp), &icmp_buffer);
	if (!icmp || !is_error(icmp->icmp6_type))
		return false;
	error->inner = error->icmp + sizeof(*icmp);
	inner = skb_header_pointer(skb, error->inner, sizeof(*inner), &inner_buffer);
	if (!inner || inner->version != 6)
		return false;
	next = inner->nexthdr;
	offset = skip_extensions(skb, error->inner, &next);
	if (offset < 0)
		return false;
	error->transport = offset;
	error->flow.family = AF_INET6;
	error->flow.protocol = next;
	error->flow.saddr.in6 = inner->daddr;
	error->flow.daddr.in6 = inner->saddr;
	error->daddr.in6 = ipv6_hdr(skb)->daddr;
	return true;
}

/* A packet without ports, under RCU. */
unsigned int error_in6(struct director *director, struct sk_buff *skb,
		       unsigned int hook)
{
	struct error error = { .hook = hook };

	if (!read(skb, &error))
		return NF_ACCEPT;
	return error_in(director, skb, &error);
}

unsigned int error_pass6(struct director *director, struct sk_buff *skb,
			 const struct error *error, const struct translation *to)
{
	const struct flow *flow = &to->flow;
	unsigned int length = skb->len - error->icmp;
	struct dst_entry *dst;
	struct icmp6hdr *icmp;

	if (nf_ip6_checksum(skb, error->hook, error->icmp, IPPROTO_ICMPV6))
		return transmit_drop(director, skb, COUNT_ERROR_CHECKSUM);
	if (ipv6_hdr(skb)->hop_limit <= 1)
		return transmit_drop(director, skb, COUNT_ERROR_TTL);
	/* Always a counted reference, which set_route() takes over. */
	dst = route6(director->net, skb, flow);
	if (dst->error) {
		dst_release(dst);
		return transmit_drop(director, skb, COUNT_ERROR_NO_ROUTE);
	}
	if (exceeds6(skb, mtu6(dst))) {
		dst_release(dst);
		return transmit_drop(director, skb, COUNT_ERROR_TOO_BIG);
	}
	if (error_rewrite(skb, error, flow)) {
		dst_release(dst);
		return transmit_drop(director, skb, COUNT_ERROR_REWRITE);
	}
	ipv6_hdr(skb)->saddr = flow->saddr.in6;
	ipv6_hdr(skb)->daddr = flow->daddr.in6;
	ipv6_hdr(skb)->hop_limit--;
	icmp = (struct icmp6hdr *)(skb_network_header(skb) + error->icmp);
	icmp->icmp6_cksum = 0;
	icmp->icmp6_cksum = csum_ipv6_magic(&flow->saddr.in6, &flow->daddr.in6,
					    length, IPPROTO_ICMPV6,
					    skb_checksum(skb, error->icmp, length, 0));
	if (!set_route(skb, dst))
		return transmit_drop(director, skb, COUNT_DROP_POLICY);
	error_count(director, to);
	return send6(director, skb);
}
