// SPDX-License-Identifier: GPL-2.0-only
/* Reverse path filtering, as the host does it. */
#include <linux/inetdevice.h>
#include <net/dst_metadata.h>

#include "compat.h"
#include "packet/checks.h"

/* True if the host would accept the packet by the interface where it came in, as
 * rp_filter says (Documentation/networking/ip-sysctl.rst). The check is part of routing
 * it.
 */
bool ivb_source_is_valid4(struct sk_buff *skb)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct in_device *in_dev = __in_dev_get_rcu(skb->dev);
	bool valid;

	if (likely(!in_dev || !IN_DEV_RPFILTER(in_dev)) || skb_valid_dst(skb))
		return true;
	valid = !ip_route_input_noref(skb, iph->daddr, iph->saddr,
				      compat_route_tos(iph), skb->dev);
	skb_dst_drop(skb);
	return valid;
}
