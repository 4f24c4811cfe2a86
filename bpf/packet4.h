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

static __always_inline enum parse_result parse4(struct __sk_buff *skb,
						struct packet4 *packet)
{
	struct ipvs_bpf_tuple4 *tuple = &packet->tuple;
	struct iphdr *iph;
	union ports *ports;
	__u32 length;

	if (skb->vlan_present)
		return PARSE_OTHER;
	iph = at(skb, NETWORK, sizeof(*iph));
	if (!iph)
		return PARSE_OTHER;
	length = iph->ihl * 4;
	if (length < sizeof(*iph) || !has_ports(iph->protocol))
		return PARSE_OTHER;
	if (iph->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return PARSE_FRAGMENT;
	*tuple = (struct ipvs_bpf_tuple4){
		.saddr = iph->saddr,
		.daddr = iph->daddr,
		.protocol = iph->protocol,
	};
	packet->transport = NETWORK + length;
	ports = at(skb, packet->transport, sizeof(*ports));
	if (!ports)
		return PARSE_OTHER;
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

/* Gives the packet these ends, and takes ttl from its time to live. */
static __always_inline int rewrite4(struct __sk_buff *skb,
				    const struct packet4 *packet,
				    const struct ends4 *new, __u8 ttl)
{
	const struct ipvs_bpf_tuple4 *old = &packet->tuple;
	union ports old_ports = { { old->sport, old->dport } };
	__u64 addresses = difference(old->saddr, new->saddr) +
			  difference(old->daddr, new->daddr);
	union ports *ports;
	struct iphdr *iph;

	iph = at(skb, NETWORK, sizeof(*iph));
	if (!iph)
		return -1;
	iph->check = mended(iph->check, addresses + (ttl ?
			    difference(bpf_htons(ttl << 8), 0) : 0));
	iph->ttl -= ttl;
	iph->saddr = new->saddr;
	iph->daddr = new->daddr;
	if (!has_checksum(old->protocol))
		return 0;
	ports = at(skb, packet->transport, sizeof(*ports));
	if (!ports)
		return -1;
	ports->both = new->ports.both;
	return mend_transport(skb, packet->transport, old->protocol, addresses,
			      old_ports.both, new->ports.both);
}

#endif
