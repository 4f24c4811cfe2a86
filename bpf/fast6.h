/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path of IPv6; see fast4.h. */
#ifndef FAST6_H
#define FAST6_H

#include "lease.h"
#include "packet6.h"

struct flow6 {
	struct ipvs_bpf_slot6 *slot;
	struct reading reading;
	__u64 now;
};

static __always_inline int forward6(struct packet packet, struct headers6 *headers,
				    const struct flow6 *flow, const __u8 protocol)
{
	const __u32 network = sizeof(struct ipv6hdr);
	struct ipvs_bpf_slot6 *slot = flow->slot;
	const __u64 sums = load(&slot->lease.mtu);
	__u64 addresses[4];
	__be32 ports;
	struct way way;
	__sum16 *check;
	void *frame;
	__u32 size;

	if (protocol == IPPROTO_TCP &&
	    !more(packet, NETWORK, network + sizeof(struct tcphdr), (void **)&headers))
		return pass(packet);
	size = network + bpf_ntohs(headers->payload_len);
	/* The payload length of a jumbogram is 0 (RFC 2675). */
	if (headers->hop_limit <= 1 || !headers->payload_len ||
	    !is_for_fast_path(packet, headers, protocol, network, size, sums))
		return pass(packet);
	addresses[0] = load(&slot->saddr[0]);
	addresses[1] = load(&slot->saddr[2]);
	addresses[2] = load(&slot->daddr[0]);
	addresses[3] = load(&slot->daddr[2]);
	ports = *(const __be32 *)&slot->sport;
	way = way_out(&slot->lease, &slot->last, flow->now);
	if (!is_whole(&flow->reading))
		return pass(packet);
	check = (void *)headers + checksum_at(network, protocol);
	if (may_be_partial(packet, *check, add16(pseudo_sum(sums), headers->payload_len))) {
		/* No helper at XDP knows more. */
		if (packet.xdp)
			return pass(packet);
		if (!rewrite6(skb_of(packet), protocol, addresses, ports))
			return rewrite_failed();
		return linear(packet, 0, MACS_SIZE, &frame) ?
			leave(packet, frame, size, &way) : rewrite_failed();
	}
	rewrite_header6(headers, addresses);
	headers->ports.both = ports;
	/* See rewrite6(). */
	if (__builtin_expect(change_whole(check, protocol, transport_sum(sums)), 1))
		update_device_sum(packet, ~(__u32)bpf_htons(1));
	else
		update_device_sum(packet,
				  fold32(difference(bpf_htons(1), transport_sum(sums))));
	return leave(packet, (void *)headers - NETWORK, size, &way);
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
