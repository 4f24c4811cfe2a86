/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path of IPv6; see fast4.h. */
#ifndef FAST6_H
#define FAST6_H

#include "lease.h"
#include "packet6.h"

static __always_inline int forward6(struct __sk_buff *skb,
				    const struct ipvs_bpf_tuple6 *old,
				    const struct ipvs_bpf_slot6 *flow,
				    const struct tally *tally, const __u8 protocol)
{
	const __u32 network = sizeof(struct ipv6hdr);
	struct ends6 new = {
		.saddr = flow->saddr,
		.daddr = flow->daddr,
		.ports = { { flow->sport, flow->dport } },
	};
	const struct ipvs_bpf_lease *lease = &flow->lease;
	struct headers6 *headers;
	__sum16 *check;
	void *frame;
	__u32 size;

	frame = at(skb, 0, fast_size(protocol, network));
	if (!frame)
		return TC_ACT_UNSPEC;
	headers = frame + NETWORK;
	size = network + bpf_ntohs(headers->payload_len);
	/* A jumbogram says 0 (RFC 2675). */
	if (headers->hop_limit <= 1 || !headers->payload_len ||
	    !is_for_fast_path(skb, frame, protocol, network, size, lease))
		return TC_ACT_UNSPEC;
	check = frame + checksum_at(NETWORK + network, protocol);
	if (may_be_partial(skb, *check, add16(lease->pseudo, headers->payload_len))) {
		if (!rewrite6(skb, old, &new))
			return TC_ACT_SHOT;
		frame = linear(skb, 0, sizeof(lease->macs));
		return frame ? leave(frame, size, lease, tally) : TC_ACT_SHOT;
	}
	rewrite_header6(headers, &new);
	headers->ports.both = new.ports.both;
	change_whole(check, protocol, lease->transport);
	/* See rewrite6(). */
	bpf_csum_update(skb, fold32(difference(bpf_htons(1), 0)));
	return leave(frame, size, lease, tally);
}

/* TC_ACT_UNSPEC: the packet is unchanged, and the module's. Instantiated for each
 * protocol, so that the offsets of headers are constants.
 */
static __always_inline int fast6(struct __sk_buff *skb, const struct ipvs_bpf_tuple6 *tuple,
				 const struct ipvs_bpf_slot6 *flow,
				 const struct tally *tally)
{
	if (tuple->protocol == IPPROTO_UDP)
		return forward6(skb, tuple, flow, tally, IPPROTO_UDP);
	if (tuple->protocol == IPPROTO_TCP)
		return forward6(skb, tuple, flow, tally, IPPROTO_TCP);
	return TC_ACT_UNSPEC;
}

#endif
