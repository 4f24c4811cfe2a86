/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv4 TCP or UDP packet, and rewrites it. */
#ifndef PACKET4_H
#define PACKET4_H

#include <linux/ip.h>
#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "ip_vs_bpf_hash.h"
#include "transport.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

union words4 {
	struct ipvs_bpf_tuple4 tuple;
	__u64 word[IPVS_BPF_WORDS4];
};

struct headers4 {
	struct iphdr ip;
	union ports ports;
};

/* True if the packet may have a lease: it is whole, and has no options and no tag. */
static __always_inline int parse4(struct __sk_buff *skb, struct ipvs_bpf_tuple4 *tuple)
{
	struct headers4 *headers;

	if (skb->vlan_present)
		return 0;
	headers = at(skb, NETWORK, sizeof(*headers));
	if (!headers || headers->ip.version != 4 || headers->ip.ihl != 5 ||
	    !has_lease(headers->ip.protocol) ||
	    headers->ip.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return 0;
	tuple->saddr = headers->ip.saddr;
	tuple->daddr = headers->ip.daddr;
	tuple->sport = headers->ports.source;
	tuple->dport = headers->ports.dest;
	tuple->protocol = headers->ip.protocol;
	__builtin_memset(tuple->pad, 0, sizeof(tuple->pad));
	return 1;
}

/* Both ends of a flow. */
struct ends4 {
	__be32 saddr;
	__be32 daddr;
	union ports ports;
};

static __always_inline __u64 pseudo4(const struct iphdr *iph,
				     const struct ipvs_bpf_tuple4 *tuple)
{
	return (__u64)tuple->saddr + tuple->daddr + bpf_htons(tuple->protocol) +
	       bpf_htons(bpf_ntohs(iph->tot_len) - sizeof(*iph));
}

/* Gives the packet these ends and one hop less, whatever state its checksum is in.
 * 0: that failed half way.
 */
static __always_inline int rewrite4(struct __sk_buff *skb,
				    const struct ipvs_bpf_tuple4 *old,
				    const struct ends4 *new)
{
	union ports old_ports = { { old->sport, old->dport } };
	__u64 addresses = difference(old->saddr, new->saddr) +
			  difference(old->daddr, new->daddr);
	struct iphdr *iph = linear(skb, NETWORK, sizeof(*iph));
	enum change change;
	__u64 pseudo;

	if (!iph)
		return 0;
	pseudo = pseudo4(iph, old);
	iph->check = changed(iph->check, addresses + difference(bpf_htons(1 << 8), 0));
	iph->ttl--;
	iph->saddr = new->saddr;
	iph->daddr = new->daddr;
	change = rewrite_transport(skb, NETWORK + sizeof(*iph), old->protocol, pseudo,
				   addresses, old_ports, new->ports);
	/* See enum change; does nothing where the device summed up nothing. */
	if (change == CHANGED)
		bpf_csum_update(skb, ~fold32(addresses));
	return change != NOT_CHANGED;
}

#endif
