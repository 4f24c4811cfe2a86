/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path of IPv4: one look at the size of the frame, and everything is
 * written in its place.
 */
#ifndef FAST4_H
#define FAST4_H

#include "lease.h"
#include "packet4.h"

static __always_inline int forward4(struct __sk_buff *skb,
				    const struct ipvs_bpf_tuple4 *old,
				    const struct ipvs_bpf_slot4 *flow,
				    const struct tally *tally, const __u8 protocol)
{
	struct ends4 new = {
		.saddr = flow->saddr,
		.daddr = flow->daddr,
		.ports = { { flow->sport, flow->dport } },
	};
	const struct ipvs_bpf_lease *lease = &flow->lease;
	struct iphdr *iph;
	__sum16 *check;
	void *frame;
	__u32 size;

	frame = at(skb, 0, fast_size(protocol, sizeof(*iph)));
	if (!frame)
		return TC_ACT_UNSPEC;
	iph = frame + NETWORK;
	size = bpf_ntohs(iph->tot_len);
	if (iph->ttl <= 1 || !is_for_fast_path(skb, frame, protocol, sizeof(*iph),
					       size, lease))
		return TC_ACT_UNSPEC;
	check = frame + checksum_at(NETWORK + sizeof(*iph), protocol);
	if (may_be_partial(skb, *check, add16(lease->pseudo,
					      bpf_htons(size - sizeof(*iph))))) {
		if (!rewrite4(skb, old, &new))
			return TC_ACT_SHOT;
		frame = linear(skb, 0, sizeof(lease->macs));
		return frame ? leave(frame, size, lease, tally) : TC_ACT_SHOT;
	}
	iph->check = ~add16(~iph->check, lease->header);
	iph->ttl--;
	iph->saddr = new.saddr;
	iph->daddr = new.daddr;
	((union ports *)(iph + 1))->both = new.ports.both;
	change_whole(check, protocol, lease->transport);
	/* See rewrite4(): less the addresses, which the header's have changed by,
	 * and by the time to live.
	 */
	bpf_csum_update(skb, ~((__u32)lease->header + bpf_htons(1 << 8)));
	return leave(frame, size, lease, tally);
}

/* TC_ACT_UNSPEC: the packet is unchanged, and the module's. Instantiated for each
 * protocol, so that the offsets of headers are constants.
 */
static __always_inline int fast4(struct __sk_buff *skb,
				 const struct ipvs_bpf_tuple4 *old,
				 const struct ipvs_bpf_slot4 *flow,
				 const struct tally *tally)
{
	if (old->protocol == IPPROTO_UDP)
		return forward4(skb, old, flow, tally, IPPROTO_UDP);
	if (old->protocol == IPPROTO_TCP)
		return forward4(skb, old, flow, tally, IPPROTO_TCP);
	return TC_ACT_UNSPEC;
}

#endif
