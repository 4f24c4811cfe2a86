// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netfilter hooks at PREROUTING, before conntrack: packets of full-NAT
 * services go to IPVS from here, and conntrack and the routing of forwarded
 * packets never see them. And those at LOCAL_OUT, for the errors of this host
 * itself. prerouting6.c has those of IPv6.
 */
#include <linux/inetdevice.h>
#include <linux/ip.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "destinations.h"
#include "rules.h"

/* Goes into IPVS as if at LOCAL_IN. */
static unsigned int request_in4(struct director *director, struct sk_buff *skb,
				const struct nf_hook_state *state,
				const struct packet *packet,
				const struct question *question)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct nf_hook_state local_in = *state;
	nf_hookfn *hook = ipvs_in_hook(state->net, AF_INET);
	bool had_route = skb_valid_dst(skb);
	unsigned int verdict = NF_ACCEPT;

	/* IPVS has no virtual service yet. */
	if (!hook)
		return NF_ACCEPT;
	/* ip_vs_in_hook() ignores packets without a route. Where there is
	 * none, or not to this host, the packet goes its usual way.
	 */
	if (!had_route &&
	    ip_route_input_noref(skb, iph->daddr, iph->saddr,
				 compat_route_tos(iph), skb->dev))
		return NF_ACCEPT;
	if (skb_rtable(skb)->rt_flags & RTCF_LOCAL) {
		local_in.hook = NF_INET_LOCAL_IN;
		verdict = ask_ipvs(director, question, hook, skb, packet, &local_in);
	}
	/* Routed only after the rest of PREROUTING, which may yet change where
	 * it goes.
	 */
	if (verdict == NF_ACCEPT && !had_route)
		skb_dst_drop(skb);
	return verdict;
}

/* True if the host would take the packet where it came in, as rp_filter says
 * (Documentation/networking/ip-sysctl.rst). Routing it is what asks.
 */
bool source_is_valid4(struct sk_buff *skb)
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

/* True if IPsec policies allow the packet to come in as it did. */
bool policy_lets_in(struct sk_buff *skb, u8 family)
{
	return xfrm_policy_check(NULL, XFRM_POLICY_IN, skb, family);
}

/* Whether our application has a hold of the connection. */
bool is_ours(const struct ip_vs_conn *cp)
{
	return cp->packet_xmit == transmit4 ||
#ifdef CONFIG_IP_VS_IPV6
	       cp->packet_xmit == transmit6 ||
#endif
	       cp->packet_xmit == transmit_refusal;
}

/* True if no packet of a full-NAT service may be such, and why. */
bool is_forbidden(struct sk_buff *skb, const struct packet *packet, enum counter *why)
{
	/* IPVS would not find the connection again, and make one for each. */
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

/* Frames that a bridge passes on to other hosts look here like the host's own
 * (br_netfilter_hooks.c: setup_pre_routing()).
 */
bool is_for_host(const struct sk_buff *skb)
{
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	const struct nf_bridge_info *bridge = nf_bridge_info_get(skb);

	if (unlikely(bridge && bridge->pkt_otherhost))
		return false;
#endif
	return skb->pkt_type == PACKET_HOST;
}

static unsigned int prerouting4(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	struct director *director = director_of(state->net);
	struct question question;
	struct service *service;
	struct packet packet;
	unsigned int verdict;
	enum counter why;

	/* An error about one of our packets may be sent to any address. */
	if (!director || (ip_hdr(skb)->protocol != IPPROTO_ICMP &&
			  !atomic_read(destination4(director, ip_hdr(skb)->daddr)) &&
			  !rules_have4(director, ip_hdr(skb)->daddr)) ||
	    !is_for_host(skb))
		return NF_ACCEPT;
	if (unlikely(ip_is_fragment(ip_hdr(skb)))) {
		verdict = gather4(director, skb);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	if (unlikely(ip_hdr(skb)->protocol == IPPROTO_ICMP))
		return error_in4(director, skb, state->hook);
	if (!packet_read4(skb, &packet))
		return NF_ACCEPT;
	service = service_find4(director, packet.protocol, ip_hdr(skb)->daddr,
				packet.ports[1]);
	if (!service && reply_in(director, skb, &packet, &verdict))
		return verdict;
	if (!is_request(director, skb, &packet, service, &question))
		return NF_ACCEPT;
	if (!question.rule && is_forbidden(skb, &packet, &why))
		return transmit_drop(director, skb, why);
	return request_in4(director, skb, state, &packet, &question);
}

/* Errors that this host itself reports, because a neighbour does not answer: to
 * a client, or to the VIP or a local IP. IPVS would see them here, the latter
 * before they came back to PREROUTING.
 */
static unsigned int local_out4(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	struct director *director = director_of(state->net);

	if (!director || ip_hdr(skb)->protocol != IPPROTO_ICMP)
		return NF_ACCEPT;
	return error_in4(director, skb, state->hook);
}

/* After the place where conntrack has fragments put together, and before
 * everything else.
 */
static const struct nf_hook_ops hook_ops[] = {
	{
		.hook = prerouting4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP_PRI_CONNTRACK_DEFRAG + 1,
	},
	{
		.hook = local_out4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP_PRI_CONNTRACK_DEFRAG + 1,
	},
#ifdef CONFIG_IP_VS_IPV6
	{
		.hook = prerouting6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_PRE_ROUTING,
		.priority = NF_IP6_PRI_CONNTRACK_DEFRAG + 1,
	},
	{
		.hook = local_out6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_OUT,
		.priority = NF_IP6_PRI_CONNTRACK_DEFRAG + 1,
	},
#endif
};

int prerouting_register(struct net *net)
{
	return nf_register_net_hooks(net, hook_ops, ARRAY_SIZE(hook_ops));
}

void prerouting_unregister(struct net *net)
{
	nf_unregister_net_hooks(net, hook_ops, ARRAY_SIZE(hook_ops));
}
