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
#include "table.h"

static __always_inline int ingress4(struct __sk_buff *skb)
{
	struct ipvs_bpf_slot4 *slot, flow;
	struct ipvs_bpf_set4 *set;
	union words4 packet;
	__u32 key, begun;

	if (!parse4(skb, &packet.tuple))
		return TC_ACT_UNSPEC;
	key = set_of(packet.word, IPVS_BPF_WORDS4);
	set = bpf_map_lookup_elem(&flows4, &key);
	if (!set)
		return TC_ACT_UNSPEC;
	begun = begin(&set->sequence);
	slot = find4(set, &packet);
	if (!slot)
		return TC_ACT_UNSPEC;
	flow = *slot;
	if (!is_whole(&set->sequence, begun) || !lease_is_valid(skb, &flow.lease))
		return TC_ACT_UNSPEC;
	return fast4(skb, &packet.tuple, &flow, &slot->lease.forwarded);
}

static __always_inline int ingress6(struct __sk_buff *skb)
{
	struct ipvs_bpf_slot6 *slot, flow;
	struct ipvs_bpf_set6 *set;
	union words6 packet;
	__u32 key, begun;

	if (!parse6(skb, &packet.tuple))
		return TC_ACT_UNSPEC;
	key = set_of(packet.word, IPVS_BPF_WORDS6);
	set = bpf_map_lookup_elem(&flows6, &key);
	if (!set)
		return TC_ACT_UNSPEC;
	begun = begin(&set->sequence);
	slot = find6(set, &packet);
	if (!slot)
		return TC_ACT_UNSPEC;
	flow = *slot;
	if (!is_whole(&set->sequence, begun) || !lease_is_valid(skb, &flow.lease))
		return TC_ACT_UNSPEC;
	return fast6(skb, &packet.tuple, &flow, &slot->lease.forwarded);
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
