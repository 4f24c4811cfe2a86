// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends a rewritten packet: checks its size, sets its route, and skips POSTROUTING.
 */
#include <linux/ipv6.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/netfilter/nf_conntrack.h>

#include "compat.h"
#include "packet/send.h"
#include "table/flow.h"

/* True if the packet, or one of its segments, needs fragmentation. */
static bool exceeds(const struct sk_buff *skb, unsigned int mtu)
{
	return !skb_is_gso(skb) || !skb_gso_validate_network_len(skb, mtu);
}

/* True if the sender of a packet that is larger than the MTU needs an error, as
 * ip_forward.c: ip_exceeds_mtu() decides. A packet that was reassembled is fragmented again,
 * into fragments that are no larger.
 */
bool ivb_exceeds_mtu(const struct sk_buff *skb, unsigned int mtu, u8 family)
{
	unsigned int fragment;

	if (is_ipv6(family)) {
		fragment = IP6CB(skb)->frag_max_size;
	} else {
		if (!(ip_hdr(skb)->frag_off & htons(IP_DF)))
			return false;
		fragment = IPCB(skb)->frag_max_size;
	}
	return fragment ? fragment > mtu : exceeds(skb, mtu);
}

/* Sends a rewritten packet that has its route, and takes the packet over. The output
 * functions skip POSTROUTING for packets that were already there.
 */
int ivb_send(struct director *director, struct sk_buff *skb, u8 family)
{
	if (is_ipv6(family))
		IP6CB(skb)->flags |= IP6SKB_REROUTED;
	else
		IPCB(skb)->flags |= IPSKB_REROUTED;
	/* IPVS has seen it, and conntrack must not see it, even if it comes back
	 * through the loopback device, to a client on this host. ip_vs_notrack() marks
	 * only packets that conntrack has seen before.
	 */
	skb->ipvs_property = 1;
	nf_reset_ct(skb);
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	/* It came in at a bridge's port, and leaves like a packet of this host. */
	skb_ext_del(skb, SKB_EXT_BRIDGE_NF);
#endif
	/* A receive timestamp is not a time to send at. */
	compat_clear_tstamp(skb);
	dst_output(director->net, NULL, skb);
	return NF_STOLEN;
}

int ivb_drop(struct director *director, struct sk_buff *skb, enum counter why)
{
	count(director, why);
	kfree_skb(skb);
	return NF_STOLEN;
}
