// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts IPv4 fragments together at PREROUTING, as ip_local_deliver() would a
 * little later and in the same queue: so that conntrack sees none of what is
 * ours, and so that a reply in fragments, of which only the first has ports,
 * can be translated. What nobody completes expires there as always, with its
 * ICMP error.
 *
 * Only those for a VIP or a local IP come here, and few others (destinations.h), which
 * this host would gather in any case. A local IP that was removed from its pool still
 * has sessions; one that is only routed here is gathered for while it is in a pool.
 * Fragments that the host forwards are left alone.
 *
 * For IPv6, IPVS has this done (nf_defrag_ipv6_enable()).
 */
#include <net/ip.h>
#include <net/route.h>

#include "ip_vs_bpf.h"

/* NF_ACCEPT: whole now, or not for this host. The caller reads the header
 * anew.
 */
unsigned int gather4(struct director *director, struct sk_buff *skb)
{
	union nf_inet_addr daddr = { .ip = ip_hdr(skb)->daddr };
	struct net *net = director->net;
	int err;

	if (inet_addr_type_dev_table(net, skb->dev, daddr.ip) != RTN_LOCAL &&
	    !is_local_ip(director, AF_INET, &daddr))
		return NF_ACCEPT;
	local_bh_disable();
	err = ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER);
	local_bh_enable();
	/* Taken apart again, it goes on in fragments no larger than these. */
	if (!err) {
		skb->ignore_df = 1;
		return NF_ACCEPT;
	}
	if (err != -EINPROGRESS)
		count(director, COUNT_DROP_FRAGMENT);
	return NF_STOLEN;
}
