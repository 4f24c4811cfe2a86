/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv6 TCP, UDP or SCTP packet, and rewrites it. Packets
 * with extension headers are the module's.
 */
#ifndef PACKET6_H
#define PACKET6_H

#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "ip_vs_bpf_abi.h"
#include "transport.h"

#define NEXTHDR_FRAGMENT 44
#define TRANSPORT6 (NETWORK + sizeof(struct ipv6hdr))

struct headers6 {
	__u8 traffic[4]; /* version, traffic class and flow label */
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
	union ports ports;
};

static __always_inline enum parse_result parse6(struct __sk_buff *skb,
						struct ipvs_bpf_tuple6 *tuple)
{
	struct headers6 *headers;

	if (skb->vlan_present)
		return PARSE_OTHER;
	headers = at(skb, NETWORK, sizeof(*headers));
	if (!headers)
		return PARSE_OTHER;
	if (headers->nexthdr == NEXTHDR_FRAGMENT)
		return PARSE_FRAGMENT;
	if (!has_ports(headers->nexthdr))
		return PARSE_OTHER;
	__builtin_memcpy(tuple->saddr, headers->saddr, sizeof(tuple->saddr));
	__builtin_memcpy(tuple->daddr, headers->daddr, sizeof(tuple->daddr));
	tuple->sport = headers->ports.source;
	tuple->dport = headers->ports.dest;
	tuple->protocol = headers->nexthdr;
	__builtin_memset(tuple->pad, 0, sizeof(tuple->pad));
	return PARSE_OK;
}

/* Both ends of a flow. */
struct ends6 {
	const __be32 *saddr; /* 16 bytes each */
	const __be32 *daddr;
	union ports ports;
};

static __always_inline __u64 difference6(const __be32 *old, const __be32 *new)
{
	return difference(old[0], new[0]) + difference(old[1], new[1]) +
	       difference(old[2], new[2]) + difference(old[3], new[3]);
}

/* Gives the packet these ends, and takes hops from its hop limit. */
static __always_inline int rewrite6(struct __sk_buff *skb,
				    const struct ipvs_bpf_tuple6 *old,
				    const struct ends6 *new, __u8 hops)
{
	union ports old_ports = { { old->sport, old->dport } };
	__u64 addresses = difference6(old->saddr, new->saddr) +
			  difference6(old->daddr, new->daddr);
	struct headers6 *headers = at(skb, NETWORK, sizeof(*headers));

	if (!headers)
		return -1;
	headers->hop_limit -= hops;
	__builtin_memcpy(headers->saddr, new->saddr, sizeof(headers->saddr));
	__builtin_memcpy(headers->daddr, new->daddr, sizeof(headers->daddr));
	if (has_checksum(old->protocol))
		headers->ports = new->ports;
	if (mend_transport(skb, TRANSPORT6, old->protocol, addresses,
			   old_ports.both, new->ports.both))
		return -1;
	/* What a device summed up (CHECKSUM_COMPLETE; the helper refuses, and
	 * does nothing, where there is no such sum) has in IPv4 changed by the
	 * transport checksum, since what is in the header and its checksum
	 * cancel each other, and so bpf_l4_csum_replace() mends it. In IPv6 the
	 * addresses and the transport checksum do, so that has to be undone,
	 * and the hop limit is left. And with SCTP it has changed by the
	 * addresses alone.
	 */
	if (hops)
		addresses += difference(bpf_htons(hops), 0);
	bpf_csum_update(skb, fold32(addresses));
	return 0;
}

#endif
