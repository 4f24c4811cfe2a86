// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netfilter hooks at PREROUTING, before conntrack: packets of full-NAT services go
 * to IPVS from here, and neither conntrack nor the routing of forwarded packets sees
 * them. The hooks at LOCAL_OUT are for ICMP errors of this host itself.
 *
 * IPVS itself has IPv6 fragments reassembled before PREROUTING
 * (nf_defrag_ipv6_enable()), so none come here.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <net/dst_metadata.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>
#include <net/route.h>

#include "packet/admitted.h"
#include "packet/adopt.h"
#include "packet/checks.h"
#include "packet/defrag.h"
#include "packet/hooks.h"
#include "packet/icmp_error.h"
#include "packet/ipvs_hook.h"
#include "packet/reply.h"
#include "packet/send.h"
#include "table/destinations.h"

#ifdef CONFIG_IP_VS_IPV6
/* Does what ip6_route_input() does, which older kernels do not export: the packet gets
 * an uncounted reference to its route. The reference is valid as long as RCU is held,
 * which netfilter does around us. Nobody keeps it for longer without taking a counted
 * one (skb_dst_force()).
 */
static void route_input6(struct net *net, struct sk_buff *skb)
{
	const struct ipv6hdr *iph = ipv6_hdr(skb);
	struct flowi6 fl6 = {
		.flowi6_iif = skb->dev->ifindex,
		.daddr = iph->daddr,
		.saddr = iph->saddr,
		.flowlabel = ip6_flowinfo(iph),
		.flowi6_mark = skb->mark,
		.flowi6_proto = iph->nexthdr,
	};
	struct flow_keys flow_keys;

	/* For rules that match on ports. */
	fib6_rules_early_flow_dissect(net, skb, &fl6, &flow_keys);
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, ip6_route_input_lookup(net, skb->dev, &fl6, skb,
						      RT6_LOOKUP_F_HAS_SADDR |
						      RT6_LOOKUP_F_DST_NOREF));
}
#endif

static bool route_input(struct net *net, struct sk_buff *skb, u8 family)
{
#ifdef CONFIG_IP_VS_IPV6
	if (is_ipv6(family)) {
		route_input6(net, skb);
		return true;
	}
#endif
	return route_input4(skb, ip_hdr(skb)->daddr);
}

/* True if the packet's route leads to this host. */
static bool is_here(const struct sk_buff *skb, u8 family)
{
	const struct dst_entry *dst = skb_dst(skb);

	if (is_ipv6(family))
		return container_of(dst, struct rt6_info, dst)->rt6i_flags & RTF_LOCAL &&
		       !dst->error;
	return skb_rtable(skb)->rt_flags & RTCF_LOCAL;
}

/* Passes the packet to IPVS as if at LOCAL_IN. ip_vs_in_hook() ignores packets without a
 * route. If there is no route, or not to this host, the packet takes its usual way.
 */
static __always_inline unsigned int request_in(struct director *director,
					       struct sk_buff *skb,
					       const struct nf_hook_state *state,
					       const struct packet *packet,
					       const struct question *question)
{
	struct nf_hook_state local_in = *state;
	nf_hookfn *hook = ivb_ipvs_in_hook(state->net, packet->family);
	bool had_route = skb_valid_dst(skb);
	unsigned int verdict = NF_ACCEPT;

	/* IPVS has no virtual service yet. */
	if (!hook)
		return NF_ACCEPT;
	if (!had_route && !route_input(state->net, skb, packet->family))
		return NF_ACCEPT;
	if (is_here(skb, packet->family)) {
		local_in.hook = NF_INET_LOCAL_IN;
		verdict = ask_ipvs(director, question, hook, skb, packet, &local_in);
		/* IPVS counts none of these. */
		if (unlikely(verdict == NF_DROP))
			count(director, COUNT_DROP_BY_IPVS);
	}
	/* It is routed only after the rest of PREROUTING, which may still change its
	 * destination.
	 */
	if (verdict == NF_ACCEPT && !had_route)
		skb_dst_drop(skb);
	return verdict;
}

/* service is that of the packet's destination, listed or not, or NULL. Inlined, as the
 * function above, because the family is known then: 27 instructions a packet.
 */
static __always_inline unsigned int packet_in(struct director *director,
					      struct sk_buff *skb,
					      const struct nf_hook_state *state,
					      const struct packet *packet,
					      struct service *service)
{
	struct question question;
	unsigned int verdict;
	enum counter why;

	if (!service && ivb_reply_in(director, skb, packet, &verdict))
		return verdict;
	if (!is_request(director, skb, packet, service, &question))
		return NF_ACCEPT;
	if (!question.adopts) {
		if (is_forbidden(skb, packet, &why))
			return ivb_drop(director, skb, why);
		if (packet->protocol == IPPROTO_TCP &&
		    ivb_admitted_in(director, skb, packet, &verdict))
			return verdict;
	}
	return request_in(director, skb, state, packet, &question);
}

static unsigned int prerouting4(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	struct director *director = ivb_director_of(state->net);
	struct service *service;
	struct packet packet;
	unsigned int verdict;

	/* An error about one of our packets may be sent to any address. */
	if (!director || (ip_hdr(skb)->protocol != IPPROTO_ICMP &&
			  !atomic_read(destination4(director, ip_hdr(skb)->daddr)) &&
			  !rules_have4(director, ip_hdr(skb)->daddr) &&
			  !has_listed_mark(director, skb, AF_INET)) ||
	    !is_for_host(skb))
		return NF_ACCEPT;
	if (unlikely(ip_is_fragment(ip_hdr(skb)))) {
		verdict = ivb_gather4(director, skb);
		if (verdict != NF_ACCEPT)
			return verdict;
	}
	if (unlikely(ip_hdr(skb)->protocol == IPPROTO_ICMP))
		return ivb_error_in4(director, skb, state->hook);
	if (!packet_read4(skb, &packet))
		return NF_ACCEPT;
	service = ivb_service_find4(director, packet.protocol, ip_hdr(skb)->daddr,
				    packet.ports[1]);
	return packet_in(director, skb, state, &packet, service);
}

/* ICMP errors that this host itself reports, because a neighbour does not answer: to a
 * client, or to the VIP or a local IP. IPVS would see them here, the latter before they
 * came back to PREROUTING.
 */
static unsigned int local_out4(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	struct director *director = ivb_director_of(state->net);

	if (!director || ip_hdr(skb)->protocol != IPPROTO_ICMP)
		return NF_ACCEPT;
	return ivb_error_in4(director, skb, state->hook);
}

#ifdef CONFIG_IP_VS_IPV6
static unsigned int prerouting6(void *priv, struct sk_buff *skb,
				const struct nf_hook_state *state)
{
	struct director *director = ivb_director_of(state->net);
	struct service *service;
	struct packet packet;

	if (!director || (has_ports(ipv6_hdr(skb)->nexthdr) &&
			  !atomic_read(destination6(director, &ipv6_hdr(skb)->daddr)) &&
			  !rules_have6(director, &ipv6_hdr(skb)->daddr) &&
			  !has_listed_mark(director, skb, AF_INET6)) ||
	    !is_for_host(skb))
		return NF_ACCEPT;
	if (!packet_read6(skb, &packet))
		return ivb_error_in6(director, skb, state->hook);
	service = ivb_service_find6(director, packet.protocol, &ipv6_hdr(skb)->daddr,
				    packet.ports[1]);
	return packet_in(director, skb, state, &packet, service);
}

/* See local_out4(). */
static unsigned int local_out6(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	struct director *director = ivb_director_of(state->net);

	return director ? ivb_error_in6(director, skb, state->hook) : NF_ACCEPT;
}
#endif

/* After conntrack's reassembly of fragments, and before everything else. */
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

int ivb_hooks_register(struct net *net)
{
	return nf_register_net_hooks(net, hook_ops, ARRAY_SIZE(hook_ops));
}

void ivb_hooks_unregister(struct net *net)
{
	nf_unregister_net_hooks(net, hook_ops, ARRAY_SIZE(hook_ops));
}
