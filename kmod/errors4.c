// SPDX-License-Identifier: GPL-2.0-only
/*
 * ICMP errors of IPv4; see errors.c.
 */
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/netfilter_ipv4.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/route.h>

#include "errors.h"
#include "routes.h"

/* A redirect is for this host: it is about our route, not the sender's. */
static bool is_error(u8 type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED ||
	       type == ICMP_PARAMETERPROB || type == ICMP_SOURCE_QUENCH;
}

/* false: no error, or about nothing that has ports. */
static bool read(const struct sk_buff *skb, struct error *error)
{
	struct icmphdr icmp_buffer;
	const struct icmphdr *icmp;
	struct iphdr inner_buffer;
	const struct iphdr *inner;

	error->icmp = ip_hdrlen(skb);
	icmp = skb_header_pointer(skb, error->icmp, sizeof(*icmp), &icmp_buffer);
	if (!icmp || !is_error(icmp->type))
		return false;
	error->inner = error->icmp + sizeof(*icmp);
	inner = skb_header_pointer(skb, error->inner, sizeof(*inner), &inner_buffer);
	/* Of the fragments only the first has ports. */
	if (!inner || inner->version != 4 || inner->ihl < 5 ||
	    inner->frag_off & htons(IP_OFFSET))
		return false;
	error->transport = error->inner + inner->ihl * 4;
	error->flow.family = AF_INET;
	error->flow.protocol = inner->protocol;
	error->flow.saddr.ip = inner->daddr;
	error->flow.daddr.ip = inner->saddr;
	error->daddr.ip = ip_hdr(skb)->daddr;
	return true;
}

/* A packet of the protocol ICMP, under RCU. */
unsigned int error_in4(struct director *director, struct sk_buff *skb,
		       unsigned int hook)
{
	struct error error = { .hook = hook };

	if (ip_is_fragment(ip_hdr(skb)) || !read(skb, &error))
		return NF_ACCEPT;
	if (hook == NF_INET_PRE_ROUTING && !source_is_valid4(skb))
		return NF_ACCEPT;
	return error_in(director, skb, &error);
}

unsigned int error_pass4(struct director *director, struct sk_buff *skb,
			 const struct error *error, const struct translation *to)
{
	struct icmphdr *icmp;
	struct iphdr *iph;
	struct rtable *rt;

	if (!options_pass4(skb))
		return transmit_drop(director, skb, COUNT_DROP_IP_OPTIONS);
	if (nf_ip_checksum(skb, error->hook, error->icmp, IPPROTO_ICMP))
		return transmit_drop(director, skb, COUNT_ERROR_CHECKSUM);
	if (ip_hdr(skb)->ttl <= 1)
		return transmit_drop(director, skb, COUNT_ERROR_TTL);
	rt = route4(director->net, skb, &to->flow);
	if (IS_ERR(rt))
		return transmit_drop(director, skb, COUNT_ERROR_NO_ROUTE);
	if (too_big4(skb, dst_mtu(&rt->dst))) {
		ip_rt_put(rt);
		return transmit_drop(director, skb, COUNT_ERROR_TOO_BIG);
	}
	if (error_rewrite(skb, error, &to->flow)) {
		ip_rt_put(rt);
		return transmit_drop(director, skb, COUNT_ERROR_REWRITE);
	}
	icmp = (struct icmphdr *)(skb_network_header(skb) + error->icmp);
	icmp->checksum = 0;
	icmp->checksum = csum_fold(skb_checksum(skb, error->icmp,
						skb->len - error->icmp, 0));
	iph = ip_hdr(skb);
	csum_replace4(&iph->check, iph->saddr, to->flow.saddr.ip);
	csum_replace4(&iph->check, iph->daddr, to->flow.daddr.ip);
	iph->saddr = to->flow.saddr.ip;
	iph->daddr = to->flow.daddr.ip;
	ip_decrease_ttl(iph);
	if (!set_route(skb, &rt->dst))
		return transmit_drop(director, skb, COUNT_DROP_POLICY);
	error_count(director, to);
	return send4(director, skb);
}
