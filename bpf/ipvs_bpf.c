// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path, at tc ingress and at XDP: two programs from one source. Each translates and
 * sends the packets of flows that have a lease. Every other packet passes unchanged: at
 * XDP to the program at tc, there to the module and IPVS. transport.h has what the
 * programs know about a packet, and struct packet says which of the two runs.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "fast4.h"
#include "fast6.h"
#include "table.h"

static __always_inline int ingress4(struct packet packet, struct headers4 *headers)
{
	__u64 words[IPVS_BPF_WORDS4];
	struct ipvs_bpf_set4 *set;
	struct flow4 flow;
	__u32 key;

	if (!parse4(headers, words))
		return pass(packet);
	key = ipvs_bpf_set(&control, words, IPVS_BPF_WORDS4);
	/* Called early: a call spills registers, and few are in use yet. */
	flow.now = bpf_jiffies64();
	set = bpf_map_lookup_elem(&flows4, &key);
	if (!set)
		return pass(packet);
	flow.reading = begin(&set->sequence);
	flow.slot = find4(set, words);
	if (!flow.slot ||
	    !is_valid(packet, (void *)headers - NETWORK, &flow.slot->lease, flow.now))
		return pass(packet);
	return fast4(packet, headers, &flow);
}

static __always_inline int ingress6(struct packet packet)
{
	__u64 words[IPVS_BPF_WORDS6];
	struct ipvs_bpf_set6 *set;
	struct headers6 *headers;
	struct flow6 flow;
	__u32 key;

	if (!parse6(packet, &headers, words))
		return pass(packet);
	key = ipvs_bpf_set(&control, words, IPVS_BPF_WORDS6);
	/* Called early: a call spills registers, and few are in use yet. */
	flow.now = bpf_jiffies64();
	set = bpf_map_lookup_elem(&flows6, &key);
	if (!set)
		return pass(packet);
	flow.reading = begin(&set->sequence);
	flow.slot = find6(set, words);
	if (!flow.slot ||
	    !is_valid(packet, (void *)headers - NETWORK, &flow.slot->lease, flow.now))
		return pass(packet);
	return fast6(packet, headers, &flow);
}

SEC("classifier")
int ipvs_ingress(struct __sk_buff *skb)
{
	struct packet packet = { .context = skb };
	struct headers4 *headers;

	if (has_removed_tag(packet))
		return pass(packet);
	if (__builtin_expect(skb->protocol == bpf_htons(ETH_P_IP), 1))
		return at(packet, NETWORK, sizeof(*headers), (void **)&headers) ?
			ingress4(packet, headers) : pass(packet);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return ingress6(packet);
	return pass(packet);
}

/* A tag in the frame makes its type another one. A packet that is shorter than the headers
 * of IPv4 and UDP has no lease. (One check of the size for both saves instructions.)
 */
SEC("xdp")
int ipvs_xdp(struct xdp_md *xdp)
{
	struct packet packet = { .context = xdp, .xdp = true };
	struct headers4 *headers;
	__be16 type;

	if (!linear(packet, NETWORK, sizeof(*headers), (void **)&headers))
		return pass(packet);
	/* The last field of the header before. */
	type = *((const __be16 *)headers - 1);
	if (__builtin_expect(type == bpf_htons(ETH_P_IP), 1))
		return ingress4(packet, headers);
	if (type == bpf_htons(ETH_P_IPV6))
		return ingress6(packet);
	return pass(packet);
}

char _license[] SEC("license") = "GPL";
