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

/* Goes into IPVS as if at LOCAL_IN. */
static unsigned int request_in4(struct sk_buff *skb, const struct nf_hook_state *state)
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
		verdict = hook(NULL, skb, &local_in);
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

/* Whether the packet is of a connection that is bound to us, which is all that
 * a service which is not listed any more still serves.
 */
bool is_bound(struct director *director, const struct service *service,
	      const union nf_inet_addr *client, __be16 client_port)
{
	struct ip_vs_conn_param param;
	struct ip_vs_conn *cp;
	bool bound;

	ip_vs_conn_fill_param(net_ipvs(director->net), service->family,
			      service->protocol, client, client_port,
			      &service->vaddr, service->vport, &param);
	cp = ip_vs_conn_in_get(&param);
	if (!cp)
		return false;
	bound = is_ours(cp);
	/* Leaves the timer alone. */
	__ip_vs_conn_put(cp);
	return bound;
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
	union nf_inet_addr client;
	struct service *service;
	struct packet packet;

	/* An error about one of our packets may be sent to any address. */
	if (!director || (ip_hdr(skb)->protocol != IPPROTO_ICMP &&
			  !atomic_read(destination4(director, ip_hdr(skb)->daddr))) ||
	    !is_for_host(skb))
		return NF_ACCEPT;
	if (unlikely(ip_is_fragment(ip_hdr(skb)))) {
		unsigned int verdict = gather4(director, skb);

		if (verdict != NF_ACCEPT)
			return verdict;
	}
	if (unlikely(ip_hdr(skb)->protocol == IPPROTO_ICMP))
		return error_in4(director, skb, state->hook);
	if (!packet_read4(skb, &packet))
		return NF_ACCEPT;
	service = service_find4(director, packet.protocol, ip_hdr(skb)->daddr,
				packet.ports[1]);
	if (!service)
		return reply_in(director, skb, &packet);
	if (!smp_load_acquire(&service->listed)) {
		client.ip = ip_hdr(skb)->saddr;
		if (!is_bound(director, service, &client, packet.ports[0]))
			return NF_ACCEPT;
	}
	/* IPVS would not find the connection again, and make one for each. */
	if (unlikely(!packet.ports[0]))
		return transmit_drop(director, skb, COUNT_DROP_SOURCE_PORT_0);
	if (unlikely(!options_pass4(skb)))
		return transmit_drop(director, skb, COUNT_DROP_IP_OPTIONS);
	if (!policy_lets_in(skb, AF_INET))
		return transmit_drop(director, skb, COUNT_DROP_POLICY);
	return request_in4(skb, state);
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
