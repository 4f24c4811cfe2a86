// SPDX-License-Identifier: GPL-2.0-only
/* Checks of a packet's source by routes: what the host does for IPv4, and should for
 * IPv6.
 */
#include <linux/inetdevice.h>
#include <linux/netdevice.h>
#include <net/dst_metadata.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>

#include "packet/checks.h"

/* True if the host would accept the packet by the interface where it came in, as
 * rp_filter says (Documentation/networking/ip-sysctl.rst). The check is part of routing
 * it, but only to an address of this host or one that the host forwards to. A local IP may
 * be neither (net.ipv4.ip_forward=0, a blackhole route): then the route is that of an
 * error, and an address of this host stands for it.
 */
bool ivb_source_is_valid4(struct sk_buff *skb)
{
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);
	bool valid;

	if (likely(!in_dev || !IN_DEV_RPFILTER(in_dev)) || skb_valid_dst(skb))
		return true;
	valid = route_input4(skb, ip_hdr(skb)->daddr);
	if (valid && skb_dst(skb)->error) {
		skb_dst_drop(skb);
		valid = route_input4(skb, inet_select_addr(skb->dev, 0, RT_SCOPE_LINK));
	}
	skb_dst_drop(skb);
	return valid;
}

#ifdef CONFIG_IP_VS_IPV6
/* True if the packet came in from outside and its source is an address of this host, in
 * the VRF of its interface. The routing of IPv4 drops such a packet as a martian, the
 * routing of IPv6 does not: two services that answer each datagram would answer each
 * other without end (LAND). What this host sends to itself comes in by the loopback
 * device or by the device of its VRF, or does not come in. Called under RCU, which holds
 * the route.
 */
bool ivb_source_is_own6(struct net *net, struct sk_buff *skb)
{
	struct flowi6 fl6 = {};
	const struct rt6_info *rt;

	if (!skb->skb_iif || skb->dev->flags & IFF_LOOPBACK ||
	    netif_is_l3_master(skb->dev))
		return false;
	fl6.flowi6_iif = skb->dev->ifindex;
	fl6.daddr = ipv6_hdr(skb)->saddr;
	rt = container_of(ip6_route_input_lookup(net, skb->dev, &fl6, skb,
						 RT6_LOOKUP_F_DST_NOREF),
			  struct rt6_info, dst);
	return rt->rt6i_flags & RTF_LOCAL && !rt->dst.error;
}
#endif
