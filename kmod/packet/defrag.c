// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reassembles IPv4 fragments at PREROUTING, as ip_local_deliver() would a little later
 * and in the same queue. So our fragments never reach conntrack, and a fragmented
 * reply, of which only the first fragment has ports, can be translated. Incomplete
 * packets expire there as always, with their ICMP error.
 *
 * Only fragments for a VIP or a local IP come here, and few others (destinations.h).
 * This host would reassemble them in any case. A local IP that was removed from its
 * pool still has sessions. Fragments for a local IP that is only routed here are
 * reassembled while it is in a pool. Fragments that the host forwards are left alone,
 * except those of ICMP.
 *
 * For IPv6, IPVS has this done (nf_defrag_ipv6_enable()).
 */
#include <net/ip.h>
#include <net/ip_vs.h>
#include <net/route.h>

#include "packet/defrag.h"
#include "table/counters.h"

/* IPVS puts every forwarded ICMP packet together, and would translate half of an error
 * about a session that is sent to another host (ip_vs_core.c: ip_vs_forward_icmp()).
 */
static bool is_gathered_by_ipvs(struct net *net, const struct iphdr *iph)
{
	return iph->protocol == IPPROTO_ICMP && net_ipvs(net)->enable;
}

/* Returns NF_ACCEPT if the packet is whole now, or not for this host. The caller must
 * read the header again.
 */
unsigned int ivb_gather4(struct director *director, struct sk_buff *skb)
{
	union nf_inet_addr daddr = { .ip = ip_hdr(skb)->daddr };
	struct net *net = director->net;
	int err;

	if (inet_addr_type_dev_table(net, skb->dev, daddr.ip) != RTN_LOCAL &&
	    !ivb_local_ip_find(director, AF_INET, &daddr) &&
	    !is_gathered_by_ipvs(net, ip_hdr(skb)))
		return NF_ACCEPT;
	local_bh_disable();
	err = ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER);
	local_bh_enable();
	/* If it is fragmented again, its fragments are no larger than these. */
	if (!err) {
		skb->ignore_df = 1;
		return NF_ACCEPT;
	}
	if (err != -EINPROGRESS)
		count(director, COUNT_DROP_FRAGMENT);
	return NF_STOLEN;
}
