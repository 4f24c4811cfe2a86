// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path, at tc ingress. A packet of a flow that has a lease is translated
 * whole, and sent. Every other packet goes on as if the program were not there, and
 * the module and IPVS do the rest.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "fast4.h"
#include "fast6.h"
#include "maps.h"

static __always_inline int ingress4(struct __sk_buff *skb)
{
	struct ipvs_bpf_flow4 *flow;
	struct ipvs_bpf_tuple4 tuple;

	if (!parse4(skb, &tuple))
		return TC_ACT_UNSPEC;
	flow = bpf_map_lookup_elem(&flows4, &tuple);
	return flow && lease_is_valid(skb, &flow->lease) ? fast4(skb, &tuple, flow) :
							   TC_ACT_UNSPEC;
}

static __always_inline int ingress6(struct __sk_buff *skb)
{
	struct ipvs_bpf_flow6 *flow;
	struct ipvs_bpf_tuple6 tuple;

	if (!parse6(skb, &tuple))
		return TC_ACT_UNSPEC;
	flow = bpf_map_lookup_elem(&flows6, &tuple);
	return flow && lease_is_valid(skb, &flow->lease) ? fast6(skb, &tuple, flow) :
							   TC_ACT_UNSPEC;
}

SEC("classifier")
int ipvs_ingress(struct __sk_buff *skb)
{
	int verdict = TC_ACT_UNSPEC;

	if (skb->protocol == bpf_htons(ETH_P_IP))
		verdict = ingress4(skb);
	else if (skb->protocol == bpf_htons(ETH_P_IPV6))
		verdict = ingress6(skb);
	if (verdict == TC_ACT_SHOT)
		count(IPVS_BPF_REWRITE_FAILED);
	return verdict;
}

char _license[] SEC("license") = "GPL";
