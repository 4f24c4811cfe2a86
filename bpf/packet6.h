/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv6 TCP or UDP packet, and rewrites it. Packets
 * with extension headers are the module's.
 */
#ifndef PACKET6_H
#define PACKET6_H

#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "ip_vs_bpf_hash.h"
#include "transport.h"

#define TRANSPORT6 (NETWORK + sizeof(struct ipv6hdr))

union words6 {
	struct ipvs_bpf_tuple6 tuple;
	__u64 word[IPVS_BPF_WORDS6];
};

struct headers6 {
	__u8 traffic[4]; /* version, traffic class and flow label */
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
	union ports ports;
};

/* True if the packet may have a lease: it has no extension headers and no tag. */
static __always_inline int parse6(struct __sk_buff *skb, struct ipvs_bpf_tuple6 *tuple)
{
	struct headers6 *headers;

	if (skb->vlan_present)
		return 0;
	headers = at(skb, NETWORK, sizeof(*headers));
	if (!headers || headers->traffic[0] >> 4 != 6 || !has_lease(headers->nexthdr))
		return 0;
	__builtin_memcpy(tuple->saddr, headers->saddr, sizeof(tuple->saddr));
	__builtin_memcpy(tuple->daddr, headers->daddr, sizeof(tuple->daddr));
	tuple->sport = headers->ports.source;
	tuple->dport = headers->ports.dest;
	tuple->protocol = headers->nexthdr;
	__builtin_memset(tuple->pad, 0, sizeof(tuple->pad));
	return 1;
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

static __always_inline void rewrite_header6(struct headers6 *headers,
					    const struct ends6 *new)
{
	headers->hop_limit--;
	__builtin_memcpy(headers->saddr, new->saddr, sizeof(headers->saddr));
	__builtin_memcpy(headers->daddr, new->daddr, sizeof(headers->daddr));
}

static __always_inline __u64 sum6(const __be32 *words)
{
	return (__u64)words[0] + words[1] + words[2] + words[3];
}

static __always_inline __u64 pseudo6(const struct headers6 *headers,
				     const struct ipvs_bpf_tuple6 *tuple)
{
	return sum6(tuple->saddr) + sum6(tuple->daddr) + headers->payload_len +
	       bpf_htons(tuple->protocol);
}

/* Gives the packet these ends and one hop less, whatever state its checksum is in.
 * 0: that failed half way.
 */
static __always_inline int rewrite6(struct __sk_buff *skb,
				    const struct ipvs_bpf_tuple6 *old,
				    const struct ends6 *new)
{
	union ports old_ports = { { old->sport, old->dport } };
	__u64 addresses = difference6(old->saddr, new->saddr) +
			  difference6(old->daddr, new->daddr);
	/* The whole packet's, but for its transport checksum. */
	__u64 packet = difference(bpf_htons(1), 0);
	struct headers6 *headers = linear(skb, NETWORK, sizeof(*headers));
	enum change change;

	if (!headers)
		return 0;
	rewrite_header6(headers, new);
	change = rewrite_transport(skb, TRANSPORT6, old->protocol, pseudo6(headers, old),
				   addresses, old_ports, new->ports);
	/* There is no checksum of the header that would have cancelled the
	 * addresses; that of the transport has.
	 */
	if (change == CHANGED_BY_HELPERS)
		packet += addresses;
	/* See enum change; does nothing where the device summed up nothing. */
	bpf_csum_update(skb, fold32(packet));
	return change != NOT_CHANGED;
}

#endif
