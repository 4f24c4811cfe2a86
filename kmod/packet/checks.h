/* SPDX-License-Identifier: GPL-2.0-only */
/* Checks which packets full NAT may take: those that the host itself would take
 * (checks.c).
 */
#ifndef IP_VS_BPF_PACKET_CHECKS_H
#define IP_VS_BPF_PACKET_CHECKS_H

#include <linux/netfilter_bridge.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "compat.h"
#include "packet/packet.h"
#include "table/counter.h"

bool ivb_source_is_valid4(struct sk_buff *skb);
bool ivb_source_is_own6(struct net *net, struct sk_buff *skb);

/* Gives the packet its input route, as to that address. Returns false if the host refuses it,
 * also because of its source (rp_filter). skb->dev is the interface where it came in.
 */
static inline bool route_input4(struct sk_buff *skb, __be32 daddr)
{
	const struct iphdr *iph = ip_hdr(skb);

	return !ip_route_input_noref(skb, daddr, iph->saddr, compat_route_tos(iph), skb->dev);
}

/* False for frames that a bridge passes on to other hosts, which look like the host's
 * own here (br_netfilter_hooks.c: setup_pre_routing()).
 */
static inline bool is_for_host(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	const struct nf_bridge_info *bridge = nf_bridge_info_get(skb);

	if (unlikely(bridge && bridge->pkt_otherhost))
		return false;
#endif
	return skb->pkt_type == PACKET_HOST;
}

/* True if IPsec policies allow the packet to come in as it did. */
static inline bool policy_lets_in(struct sk_buff *skb, u8 family)
{
	return xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family);
}

/* True if a packet of a full-NAT service must not be like this one, and why. */
static inline bool is_forbidden(struct sk_buff *skb, const struct packet *packet,
				enum counter *why)
{
	/* IPVS would not find the connection again, and would make one for each packet.
	 */
	if (unlikely(!packet->ports[0]))
		*why = COUNT_DROP_SOURCE_PORT_0;
	else if (packet->family == AF_INET && unlikely(!options_pass4(skb)))
		*why = COUNT_DROP_IP_OPTIONS;
	else if (!policy_lets_in(skb, packet->family))
		*why = COUNT_DROP_POLICY;
	else
		return false;
	return true;
}

#endif
