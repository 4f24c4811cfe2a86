// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook at PREROUTING for IPv6; see prerouting.c. IPVS itself has IPv6
 * fragments put together before it (nf_defrag_ipv6_enable()), so that none
 * comes here.
 */
#include <linux/ipv6.h>
#include <net/dst_metadata.h>
#include <net/ip6_fib.h>
#include <net/ip6_route.h>

#include "destinations.h"
#include "rules.h"

/* As ip6_route_input(), which older kernels do not export: the packet gets an
 * uncounted reference to its route. It is good as long as RCU is held, which
 * netfilter does around us; nobody keeps it beyond that without taking a
 * counted one (skb_dst_force()).
 */
static void route_input(struct net *net, struct sk_buff *skb)
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

	/* Rules that ask for ports. */
	fib6_rules_early_flow_dissect(net, skb, &fl6, &flow_keys);
	skb_dst_drop(skb);
	skb_dst_set_noref(skb, ip6_route_input_lookup(net, skb->dev, &fl6, skb,
						      RT6_LOOKUP_F_HAS_SADDR |
						      RT6_LOOKUP_F_DST_NOREF));
}

/* See request_in4(). */
static unsigned int request_in6(struct director *director, struct sk_buff *skb,
				const struct nf_hook_state *state,
				const struct packet *packet,
				const struct question *question)
{
	struct nf_hook_state local_in = *state;
	nf_hookfn *hook = ipvs_in_hook(state->net, AF_INET6);
	bool had_route = skb_valid_dst(skb);
	unsigned int verdict = NF_ACCEPT;
	const struct rt6_info *rt;

	if (!hook)
		return NF_ACCEPT;
	if (!had_route)
		route_input(state->net, skb);
	rt = container_of(skb_dst(skb), struct rt6_info, dst);
	if (rt->rt6i_flags & RTF_LOCAL && !rt->dst.error) {
		local_in.hook = NF_INET_LOCAL_IN;
		verdict = ask_ipvs(director, question, hook, skb, packet, &local_in);
	}
	/* Routed after the rest of PREROUTING. */
	if (verdict == NF_ACCEPT && !had_route)
		skb_dst_drop(skb);
	return verdict;
}

unsigned int prerouting6(void *priv, struct sk_buff *skb,
			 const struct nf_hook_state *state)
{
	struct director *director = director_of(state->net);
	struct question question;
	struct service *service;
	struct packet packet;
	unsigned int verdict;
	enum counter why;

	if (!director || (has_ports(ipv6_hdr(skb)->nexthdr) &&
			  !atomic_read(destination6(director, &ipv6_hdr(skb)->daddr)) &&
			  !rules_have6(director, &ipv6_hdr(skb)->daddr)) ||
	    !is_for_host(skb))
		return NF_ACCEPT;
	if (!packet_read6(skb, &packet))
		return error_in6(director, skb, state->hook);
	service = service_find6(director, packet.protocol, &ipv6_hdr(skb)->daddr,
				packet.ports[1]);
	if (!service && reply_in(director, skb, &packet, &verdict))
		return verdict;
	if (!is_request(director, skb, &packet, service, &question))
		return NF_ACCEPT;
	if (!question.rule && is_forbidden(skb, &packet, &why))
		return transmit_drop(director, skb, why);
	return request_in6(director, skb, state, &packet, &question);
}

/* See local_out4(). */
unsigned int local_out6(void *priv, struct sk_buff *skb,
			const struct nf_hook_state *state)
{
	struct director *director = director_of(state->net);

	return director ? error_in6(director, skb, state->hook) : NF_ACCEPT;
}
