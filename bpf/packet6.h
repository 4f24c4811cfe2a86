/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv6 TCP, UDP or SCTP packet, and rewrites one end of
 * it. Packets with extension headers are the module's.
 */
#ifndef PACKET6_H
#define PACKET6_H

#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "ip_vs_bpf_abi.h"
#include "transport.h"

#define NEXTHDR_FRAGMENT 44
#define TRANSPORT6 (NETWORK + sizeof(struct ipv6hdr))

static __always_inline enum parse_result parse6(struct __sk_buff *skb,
						struct ipvs_bpf_tuple6 *tuple)
{
	struct {
		struct ipv6hdr ip;
		struct ports ports;
	} headers;

	if (skb->vlan_present ||
	    bpf_skb_load_bytes(skb, NETWORK, &headers, sizeof(headers)))
		return PARSE_OTHER;
	if (headers.ip.nexthdr == NEXTHDR_FRAGMENT)
		return PARSE_FRAGMENT;
	if (!has_ports(headers.ip.nexthdr))
		return PARSE_OTHER;
	__builtin_memcpy(tuple->saddr, &headers.ip.saddr, sizeof(tuple->saddr));
	__builtin_memcpy(tuple->daddr, &headers.ip.daddr, sizeof(tuple->daddr));
	tuple->sport = headers.ports.source;
	tuple->dport = headers.ports.dest;
	tuple->protocol = headers.ip.nexthdr;
	__builtin_memset(tuple->pad, 0, sizeof(tuple->pad));
	return PARSE_OK;
}

/* One end of a flow: where its address and port stand in the packet, and what
 * they are and become.
 */
struct end6 {
	__u32 addr_offset;
	__u32 port_offset;
	__be32 *old_addr, *new_addr; /* 16 bytes each */
	__be16 old_port, new_port;
};

static __always_inline int rewrite6(struct __sk_buff *skb, __u8 protocol,
				    const struct end6 *end)
{
	__u64 flags = checksum_flags(protocol);
	__u32 check = checksum_at(TRANSPORT6, protocol);
	__s64 difference = bpf_csum_diff(end->old_addr, 16, end->new_addr, 16, 0);

	if (difference < 0)
		return -1;
	if (has_checksum(protocol) &&
	    (bpf_l4_csum_replace(skb, check, 0, difference,
				 flags | BPF_F_PSEUDO_HDR) ||
	     bpf_l4_csum_replace(skb, check, end->old_port, end->new_port,
				 flags | sizeof(__be16)) ||
	     bpf_skb_store_bytes(skb, end->port_offset, &end->new_port,
				 sizeof(__be16), 0)))
		return -1;
	if (bpf_skb_store_bytes(skb, end->addr_offset, end->new_addr, 16, 0))
		return -1;
	/* What a device summed up (CHECKSUM_COMPLETE; the helper refuses, and
	 * does nothing, where there is no such sum) has in IPv4 changed by the
	 * transport checksum, since address and header checksum cancel each
	 * other, and so bpf_l4_csum_replace() mends it. In IPv6 the address
	 * and the transport checksum do, so that has to be undone. And with
	 * SCTP it has changed by the address alone.
	 */
	bpf_csum_update(skb, difference);
	return 0;
}

static __always_inline int rewrite_source6(struct __sk_buff *skb,
					   struct ipvs_bpf_tuple6 *tuple,
					   __be32 *addr, __be16 port)
{
	struct end6 end = {
		.addr_offset = NETWORK + offsetof(struct ipv6hdr, saddr),
		.port_offset = TRANSPORT6,
		.old_addr = tuple->saddr,
		.new_addr = addr,
		.old_port = tuple->sport,
		.new_port = port,
	};

	return rewrite6(skb, tuple->protocol, &end);
}

static __always_inline int rewrite_destination6(struct __sk_buff *skb,
						struct ipvs_bpf_tuple6 *tuple,
						__be32 *addr, __be16 port)
{
	struct end6 end = {
		.addr_offset = NETWORK + offsetof(struct ipv6hdr, daddr),
		.port_offset = TRANSPORT6 + sizeof(__be16),
		.old_addr = tuple->daddr,
		.new_addr = addr,
		.old_port = tuple->dport,
		.new_port = port,
	};

	return rewrite6(skb, tuple->protocol, &end);
}

#endif
