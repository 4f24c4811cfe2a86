/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path of IPv4: one look at the size of the frame, and everything is
 * written in its place.
 */
#ifndef FAST4_H
#define FAST4_H

#include "lease.h"
#include "packet4.h"

/* A flow with a lease: the ends that its packets get, and their way. */
struct flow4 {
	__u64 addresses;
	__be32 ports;
	struct way way;
};

static __always_inline void read4(struct flow4 *flow, struct ipvs_bpf_slot4 *slot)
{
	flow->addresses = load(&slot->saddr);
	flow->ports = *(const __be32 *)&slot->sport;
	read_lease(&flow->way, &slot->lease, &slot->last);
}

static __always_inline int forward4(struct __sk_buff *skb, struct headers4 *headers,
				    const struct flow4 *flow, const __u8 protocol)
{
	const struct way *way = &flow->way;
	__u32 size;
	__sum16 *check;
	void *frame;

	if (protocol == IPPROTO_TCP &&
	    !more(skb, NETWORK, sizeof(struct iphdr) + sizeof(struct tcphdr), (void **)&headers))
		return TC_ACT_UNSPEC;
	size = bpf_ntohs(headers->tot_len);
	if (headers->ttl <= 1 || !is_for_fast_path(skb, headers, protocol,
						   sizeof(struct iphdr), size, way))
		return TC_ACT_UNSPEC;
	check = (void *)headers + checksum_at(sizeof(struct iphdr), protocol);
	if (may_be_partial(skb, *check, add16(pseudo_sum(way), headers->tot_len))) {
		if (!rewrite4(skb, protocol, flow->addresses, flow->ports))
			return rewrite_failed();
		return linear(skb, 0, MACS_SIZE, &frame) ?
			leave(frame, size, way) : rewrite_failed();
	}
	headers->check = ~add16(~headers->check, header_sum(way));
	headers->ttl--;
	store(&headers->saddr, flow->addresses);
	headers->ports.both = flow->ports;
	change_whole(check, protocol, transport_sum(way));
	/* See rewrite4(): less the addresses, which the header's have changed by,
	 * and by the time to live.
	 */
	bpf_csum_update(skb, ~((__u32)header_sum(way) + bpf_htons(1 << 8)));
	return leave((void *)headers - NETWORK, size, way);
}

/* TC_ACT_UNSPEC: the packet is unchanged, and the module's. Instantiated for each
 * protocol, so that the offsets of headers are constants.
 */
static __always_inline int fast4(struct __sk_buff *skb, struct headers4 *headers,
				 const struct flow4 *flow)
{
	if (headers->protocol == IPPROTO_UDP)
		return forward4(skb, headers, flow, IPPROTO_UDP);
	return forward4(skb, headers, flow, IPPROTO_TCP);
}

#endif
