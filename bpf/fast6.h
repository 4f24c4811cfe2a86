/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path of IPv6; see fast4.h. */
#ifndef FAST6_H
#define FAST6_H

#include "lease.h"
#include "packet6.h"

struct flow6 {
	__u64 addresses[4];
	__be32 ports;
	struct way way;
};

static __always_inline void read6(struct flow6 *flow, struct ipvs_bpf_slot6 *slot)
{
	flow->addresses[0] = load(&slot->saddr[0]);
	flow->addresses[1] = load(&slot->saddr[2]);
	flow->addresses[2] = load(&slot->daddr[0]);
	flow->addresses[3] = load(&slot->daddr[2]);
	flow->ports = *(const __be32 *)&slot->sport;
	read_lease(&flow->way, &slot->lease, &slot->last);
}

static __always_inline int forward6(struct packet packet, struct headers6 *headers,
				    const struct flow6 *flow, const __u8 protocol)
{
	const __u32 network = sizeof(struct ipv6hdr);
	const struct way *way = &flow->way;
	__sum16 *check;
	void *frame;
	__u32 size;

	if (protocol == IPPROTO_TCP &&
	    !more(packet, NETWORK, network + sizeof(struct tcphdr), (void **)&headers))
		return pass(packet);
	size = network + bpf_ntohs(headers->payload_len);
	/* The payload length of a jumbogram is 0 (RFC 2675). */
	if (headers->hop_limit <= 1 || !headers->payload_len ||
	    !is_for_fast_path(packet, headers, protocol, network, size, way))
		return pass(packet);
	check = (void *)headers + checksum_at(network, protocol);
	if (may_be_partial(packet, *check, add16(pseudo_sum(way), headers->payload_len))) {
		/* No helper at XDP knows more. */
		if (packet.xdp)
			return pass(packet);
		if (!rewrite6(skb_of(packet), protocol, flow->addresses, flow->ports))
			return rewrite_failed();
		return linear(packet, 0, MACS_SIZE, &frame) ?
			leave(packet, frame, size, way) : rewrite_failed();
	}
	rewrite_header6(headers, flow->addresses);
	headers->ports.both = flow->ports;
	change_whole(check, protocol, transport_sum(way));
	/* See rewrite6(). */
	update_device_sum(packet, fold32(difference(bpf_htons(1), 0)));
	return leave(packet, (void *)headers - NETWORK, size, way);
}

/* Returns pass() if the packet is unchanged and left to the module. Instantiated per
 * protocol, so that header offsets are constants.
 */
static __always_inline int fast6(struct packet packet, struct headers6 *headers,
				 const struct flow6 *flow)
{
	if (headers->nexthdr == IPPROTO_UDP)
		return forward6(packet, headers, flow, IPPROTO_UDP);
	return forward6(packet, headers, flow, IPPROTO_TCP);
}

#endif
