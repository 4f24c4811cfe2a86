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
	const struct ipvs_bpf_control *of_all;
	struct ipvs_bpf_slot4 *slot, flow;
	struct ipvs_bpf_set4 *set;
	union words4 packet;
	struct tally tally;
	__u32 key, begun;
	__u64 now;

	if (!parse4(skb, &packet.tuple))
		return TC_ACT_UNSPEC;
	of_all = find_control();
	if (!of_all)
		return TC_ACT_UNSPEC;
	key = ipvs_bpf_set(of_all, packet.word, IPVS_BPF_WORDS4);
	set = bpf_map_lookup_elem(&flows4, &key);
	if (!set)
		return TC_ACT_UNSPEC;
	begun = begin(&set->sequence);
	slot = find4(set, &packet);
	if (!slot)
		return TC_ACT_UNSPEC;
	flow = *slot;
	now = bpf_jiffies64();
	if (!is_whole(&set->sequence, begun) ||
	    !lease_is_valid(skb, &flow.lease, of_all, now))
		return TC_ACT_UNSPEC;
	tally = (struct tally){ &slot->lease.forwarded, &slot->last, now };
	return fast4(skb, &packet.tuple, &flow, &tally);
}

static __always_inline int ingress6(struct __sk_buff *skb)
{
	const struct ipvs_bpf_control *of_all;
	struct ipvs_bpf_slot6 *slot, flow;
	struct ipvs_bpf_set6 *set;
	union words6 packet;
	struct tally tally;
	__u32 key, begun;
	__u64 now;

	if (!parse6(skb, &packet.tuple))
		return TC_ACT_UNSPEC;
	of_all = find_control();
	if (!of_all)
		return TC_ACT_UNSPEC;
	key = ipvs_bpf_set(of_all, packet.word, IPVS_BPF_WORDS6);
	set = bpf_map_lookup_elem(&flows6, &key);
	if (!set)
		return TC_ACT_UNSPEC;
	begun = begin(&set->sequence);
	slot = find6(set, &packet);
	if (!slot)
		return TC_ACT_UNSPEC;
	flow = *slot;
	now = bpf_jiffies64();
	if (!is_whole(&set->sequence, begun) ||
	    !lease_is_valid(skb, &flow.lease, of_all, now))
		return TC_ACT_UNSPEC;
	tally = (struct tally){ &slot->lease.forwarded, &slot->last, now };
	return fast6(skb, &packet.tuple, &flow, &tally);
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
