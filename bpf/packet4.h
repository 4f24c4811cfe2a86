/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv4 TCP, UDP or SCTP packet, and rewrites it. */
#ifndef PACKET4_H
#define PACKET4_H

#include <linux/ip.h>
#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "ip_vs_bpf_abi.h"
#include "transport.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

struct packet4 {
	struct ipvs_bpf_tuple4 tuple; /* as on the wire */
	__u32 transport;              /* offset of the transport header */
};

/* The IPv4 header and, where it has no options, the ports. */
struct headers4 {
	struct iphdr ip;
	union ports ports;
};

static __always_inline enum parse_result parse4(struct __sk_buff *skb,
						struct packet4 *packet)
{
	struct ipvs_bpf_tuple4 *tuple = &packet->tuple;
	struct headers4 *headers;
	union ports *ports;

	if (skb->vlan_present)
		return PARSE_OTHER;
	headers = at(skb, NETWORK, sizeof(*headers));
	if (!headers || headers->ip.version != 4 || headers->ip.ihl < 5 ||
	    !has_ports(headers->ip.protocol))
		return PARSE_OTHER;
	if (headers->ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return PARSE_FRAGMENT;
	tuple->saddr = headers->ip.saddr;
	tuple->daddr = headers->ip.daddr;
	tuple->protocol = headers->ip.protocol;
	__builtin_memset(tuple->pad, 0, sizeof(tuple->pad));
	packet->transport = NETWORK + headers->ip.ihl * 4;
	ports = &headers->ports;
	if (packet->transport != NETWORK + sizeof(struct iphdr)) {
		ports = at(skb, packet->transport, sizeof(*ports));
		if (!ports)
			return PARSE_OTHER;
	}
	tuple->sport = ports->source;
	tuple->dport = ports->dest;
	return PARSE_OK;
}

/* Both ends of a flow. */
struct ends4 {
	__be32 saddr;
	__be32 daddr;
	union ports ports;
};

/* The IPv4 header, with what its checksum's difference is taken from: ends and
 * time to live.
 */
static __always_inline void rewrite_header4(struct iphdr *iph,
					    const struct ends4 *new,
					    __u64 addresses, __u8 ttl)
{
	iph->check = mended(iph->check, addresses + (ttl ?
			    difference(bpf_htons(ttl << 8), 0) : 0));
	iph->ttl -= ttl;
	iph->saddr = new->saddr;
	iph->daddr = new->daddr;
}

static __always_inline __u64 pseudo4(const struct iphdr *iph,
				     const struct ipvs_bpf_tuple4 *tuple,
				     __u8 protocol, __u32 header)
{
	return (__u64)tuple->saddr + tuple->daddr + bpf_htons(protocol) +
	       bpf_htons(bpf_ntohs(iph->tot_len) - header);
}

static __always_inline __u64 difference4(const struct ipvs_bpf_tuple4 *old,
					 const struct ends4 *new)
{
	return difference(old->saddr, new->saddr) +
	       difference(old->daddr, new->daddr);
}

/* Gives the packet these ends, and takes ttl from its time to live. */
static __always_inline int rewrite4(struct __sk_buff *skb,
				    const struct packet4 *packet,
				    const struct ends4 *new, __u8 ttl)
{
	const struct ipvs_bpf_tuple4 *old = &packet->tuple;
	union ports old_ports = { { old->sport, old->dport } };
	__u64 addresses = difference4(old, new);
	struct iphdr *iph = linear(skb, NETWORK, sizeof(*iph));
	enum mending mending;
	__u64 pseudo;

	if (!iph)
		return 1;
	rewrite_header4(iph, new, addresses, ttl);
	if (!has_checksum(old->protocol))
		return 0;
	pseudo = pseudo4(iph, old, old->protocol, packet->transport - NETWORK);
	mending = rewrite_transport(skb, packet->transport, old->protocol, pseudo,
				    addresses, old_ports, new->ports);
	/* See enum mending; does nothing where the device summed up nothing. */
	if (mending == MENDED)
		bpf_csum_update(skb, ~fold32(addresses));
	return mending == NOT_MENDED;
}

#endif
