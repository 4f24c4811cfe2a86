// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netfilter hook at PREROUTING, before conntrack: packets of full-NAT
 * services go to IPVS from here, and conntrack and the routing of forwarded
 * packets never see them.
 */
#include <linux/ip.h>
#include <linux/netfilter_ipv4.h>
#include <net/dst_metadata.h>
#include <net/ip.h>
#include <net/route.h>

#include "ip_vs_bpf.h"

/* Goes into IPVS as if at LOCAL_IN. */
static unsigned int request_in(struct sk_buff *skb, const struct nf_hook_state *state)
{
	const struct iphdr *iph = ip_hdr(skb);
	struct nf_hook_state local_in = *state;
	nf_hookfn *hook = ipvs_in_hook(state->net);
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

/* Whether the packet is of a connection that is bound to us, which is all that
 * a service which is not listed any more still serves.
 */
static bool is_bound(struct director *director, const struct service *service,
		     const struct iphdr *iph, __be16 client_port)
{
	union nf_inet_addr client = { .ip = iph->saddr };
	union nf_inet_addr vip = { .ip = service->vaddr };
	struct ip_vs_conn_param param;
	struct ip_vs_conn *cp;
	bool bound;

	ip_vs_conn_fill_param(net_ipvs(director->net), AF_INET, iph->protocol,
			      &client, client_port, &vip, service->vport, &param);
	cp = ip_vs_conn_in_get(&param);
	if (!cp)
		return false;
	bound = cp->packet_xmit == transmit || cp->packet_xmit == transmit_refusal;
	/* Leaves the timer alone. */
	__ip_vs_conn_put(cp);
	return bound;
}

static unsigned int prerouting(void *priv, struct sk_buff *skb,
			       const struct nf_hook_state *state)
{
	struct director *director = director_of(state->net);
	const struct iphdr *iph = ip_hdr(skb);
	const __be16 *ports;
	__be16 buffer[2];
	struct service *service;

	if (!director || skb->pkt_type != PACKET_HOST)
		return NF_ACCEPT;
	/* Fragments come back whole at LOCAL_IN, options are looked at before
	 * it; IPVS finds both there.
	 */
	if ((iph->protocol != IPPROTO_TCP && iph->protocol != IPPROTO_UDP) ||
	    ip_is_fragment(iph))
		return NF_ACCEPT;
	/* The ingress program leaves the id of the service whose reply it
	 * turned to the client.
	 */
	if (skb->tc_index) {
		service = xa_load(&director->service_ids, skb->tc_index);
		if (service && service->protocol == iph->protocol)
			return reply_in(director, service, skb);
	}
	ports = skb_header_pointer(skb, ip_hdrlen(skb), sizeof(buffer), buffer);
	if (!ports)
		return NF_ACCEPT;
	service = service_find(director, iph->protocol, iph->daddr, ports[1]);
	if (!service || iph->ihl > 5)
		return NF_ACCEPT;
	if (!smp_load_acquire(&service->listed) &&
	    !is_bound(director, service, iph, ports[0]))
		return NF_ACCEPT;
	return request_in(skb, state);
}

static const struct nf_hook_ops prerouting_ops = {
	.hook = prerouting,
	.pf = NFPROTO_IPV4,
	.hooknum = NF_INET_PRE_ROUTING,
	/* After fragments were put together, where somebody asks for that, and
	 * before everything else.
	 */
	.priority = NF_IP_PRI_CONNTRACK_DEFRAG + 1,
};

int prerouting_register(struct net *net)
{
	return nf_register_net_hook(net, &prerouting_ops);
}

void prerouting_unregister(struct net *net)
{
	nf_unregister_net_hook(net, &prerouting_ops);
}
