// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path, at tc ingress. The program translates and sends each packet of a flow
 * that has a lease. Every other packet passes unchanged, to the module and IPVS.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "fast4.h"
#include "fast6.h"
#include "table.h"

static __always_inline int ingress4(struct __sk_buff *skb)
{
	__u64 words[IPVS_BPF_WORDS4];
	struct ipvs_bpf_slot4 *slot;
	struct ipvs_bpf_set4 *set;
	struct headers4 *headers;
	struct flow4 flow;
	__u32 key, begun;

	if (!parse4(skb, &headers, words))
		return TC_ACT_UNSPEC;
	key = ipvs_bpf_set(&control, words, IPVS_BPF_WORDS4);
	/* Called early: a call spills registers, and few are in use yet. */
	flow.way.now = bpf_jiffies64();
	set = bpf_map_lookup_elem(&flows4, &key);
	if (!set)
		return TC_ACT_UNSPEC;
	begun = begin(&set->sequence);
	slot = find4(set, words);
	if (!slot)
		return TC_ACT_UNSPEC;
	read4(&flow, slot);
	if (!is_whole(&set->sequence, begun) || !is_valid(skb, &flow.way))
		return TC_ACT_UNSPEC;
	return fast4(skb, headers, &flow);
}

static __always_inline int ingress6(struct __sk_buff *skb)
{
	__u64 words[IPVS_BPF_WORDS6];
	struct ipvs_bpf_slot6 *slot;
	struct ipvs_bpf_set6 *set;
	struct headers6 *headers;
	struct flow6 flow;
	__u32 key, begun;

	if (!parse6(skb, &headers, words))
		return TC_ACT_UNSPEC;
	key = ipvs_bpf_set(&control, words, IPVS_BPF_WORDS6);
	/* Called early: a call spills registers, and few are in use yet. */
	flow.way.now = bpf_jiffies64();
	set = bpf_map_lookup_elem(&flows6, &key);
	if (!set)
		return TC_ACT_UNSPEC;
	begun = begin(&set->sequence);
	slot = find6(set, words);
	if (!slot)
		return TC_ACT_UNSPEC;
	read6(&flow, slot);
	if (!is_whole(&set->sequence, begun) || !is_valid(skb, &flow.way))
		return TC_ACT_UNSPEC;
	return fast6(skb, headers, &flow);
}

SEC("classifier")
int ipvs_ingress(struct __sk_buff *skb)
{
	if (__builtin_expect(skb->protocol == bpf_htons(ETH_P_IP), 1))
		return ingress4(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return ingress6(skb);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
