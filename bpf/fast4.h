/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path of IPv4. The size of the frame is checked once, and all fields are
 * written in place.
 */
#ifndef FAST4_H
#define FAST4_H

#include "lease.h"
#include "packet4.h"

/* A flow with a lease, in a set that is being read. */
struct flow4 {
	struct ipvs_bpf_slot4 *slot;
	struct reading reading;
	__u64 now;
};

/* The priorities of rt_tos2priority() (net/route.h), four bits for each type of service:
 * TC_PRIO_INTERACTIVE_BULK, TC_PRIO_INTERACTIVE, TC_PRIO_BULK; FILLER and BESTEFFORT.
 */
#define PRIORITIES 0x4444666622220010ULL
#define TOS_MASK 0x1e

/* Sets the priority as ip_forward() does. A frame at XDP has none. */
static __always_inline void prioritize(struct packet packet, __u8 tos)
{
	if (!packet.xdp)
		skb_of(packet)->priority = PRIORITIES >> (tos & TOS_MASK) * 2 & 0xf;
}

static __always_inline int forward4(struct packet packet, struct headers4 *headers,
				    const struct flow4 *flow, const __u8 protocol)
{
	struct ipvs_bpf_slot4 *slot = flow->slot;
	const __u64 sums = load(&slot->lease.mtu);
	__u32 size, addresses_sum;
	__u64 addresses;
	__be32 ports;
	struct way way;
	__sum16 *check;
	void *frame;

	if (protocol == IPPROTO_TCP &&
	    !more(packet, NETWORK, sizeof(struct iphdr) + sizeof(struct tcphdr), (void **)&headers))
		return pass(packet);
	size = bpf_ntohs(headers->tot_len);
	if (headers->ttl <= 1 || !is_for_fast_path(packet, headers, protocol,
						   sizeof(struct iphdr), size, sums))
		return pass(packet);
	addresses = load(&slot->saddr);
	ports = *(const __be32 *)&slot->sport;
	way = way_out(&slot->lease, &slot->last, flow->now);
	if (!is_whole(&flow->reading))
		return pass(packet);
	prioritize(packet, headers->tos);
	check = (void *)headers + checksum_at(sizeof(struct iphdr), protocol);
	if (may_be_partial(packet, *check, add16(pseudo_sum(sums), headers->tot_len))) {
		/* No helper at XDP knows more. */
		if (packet.xdp)
			return pass(packet);
		if (!rewrite4(skb_of(packet), protocol, addresses, ports))
			return rewrite_failed();
		return linear(packet, 0, MACS_SIZE, &frame) ?
			leave(packet, frame, size, &way) : rewrite_failed();
	}
	headers->check = ~add16(~headers->check, header_sum(sums));
	headers->ttl--;
	store(&headers->saddr, addresses);
	headers->ports.both = ports;
	/* See rewrite4(). Subtracts the change of the addresses, which is that of the
	 * header without the TTL. If no checksum cancels it, only the ports changed the sum.
	 */
	addresses_sum = (__u32)header_sum(sums) + bpf_htons(1 << 8);
	if (__builtin_expect(change_whole(check, protocol, transport_sum(sums)), 1))
		update_device_sum(packet, ~addresses_sum);
	else
		update_device_sum(packet, fold32((__u64)~addresses_sum + transport_sum(sums)));
	return leave(packet, (void *)headers - NETWORK, size, &way);
}

/* Returns pass() if the packet is unchanged and left to the module. Instantiated per
 * protocol, so that header offsets are constants.
 */
static __always_inline int fast4(struct packet packet, struct headers4 *headers,
				 const struct flow4 *flow)
{
	if (headers->protocol == IPPROTO_UDP)
		return forward4(packet, headers, flow, IPPROTO_UDP);
	return forward4(packet, headers, flow, IPPROTO_TCP);
}

#endif
