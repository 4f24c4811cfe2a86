/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv4 TCP or UDP packet, and rewrites one end of it. */
#ifndef PACKET_H
#define PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <stddef.h>

#include "ip_vs_bpf_abi.h"

#define NETWORK ETH_HLEN
#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff

struct packet {
	struct ipvs_bpf_tuple4 tuple; /* as on the wire */
	__u32 transport;              /* offset of the transport header */
};

enum parse_result {
	PARSE_OK,
	PARSE_OTHER,    /* not IPv4, or neither TCP nor UDP, or cut short */
	PARSE_FRAGMENT, /* a fragment: not all of them have ports */
};

static __always_inline enum parse_result parse(struct __sk_buff *skb,
					       struct packet *packet)
{
	struct iphdr iph;
	struct {
		__be16 source;
		__be16 dest;
	} ports;

	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->vlan_present ||
	    bpf_skb_load_bytes(skb, NETWORK, &iph, sizeof(iph)))
		return PARSE_OTHER;
	if (iph.ihl < 5 || (iph.protocol != IPPROTO_TCP && iph.protocol != IPPROTO_UDP))
		return PARSE_OTHER;
	if (iph.frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return PARSE_FRAGMENT;
	packet->transport = NETWORK + iph.ihl * 4;
	if (bpf_skb_load_bytes(skb, packet->transport, &ports, sizeof(ports)))
		return PARSE_OTHER;
	packet->tuple = (struct ipvs_bpf_tuple4){
		.saddr = iph.saddr,
		.daddr = iph.daddr,
		.sport = ports.source,
		.dport = ports.dest,
		.protocol = iph.protocol,
	};
	return PARSE_OK;
}

/* One end of a flow: where its address and port stand in the packet, and what
 * they are and become.
 */
struct end {
	__u32 addr_offset;
	__u32 port_offset;
	__be32 old_addr, new_addr;
	__be16 old_port, new_port;
};

/* Mends the checksums first, by the difference, and then writes. The helpers
 * leave a partial transport checksum to the device and a UDP checksum of 0
 * alone (RFC 768: there is none).
 */
static __always_inline int rewrite(struct __sk_buff *skb,
				   const struct packet *packet,
				   const struct end *end)
{
	int udp = packet->tuple.protocol == IPPROTO_UDP;
	__u64 flags = udp ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 check = packet->transport + (udp ? offsetof(struct udphdr, check) :
						 offsetof(struct tcphdr, check));

	if (bpf_l4_csum_replace(skb, check, end->old_addr, end->new_addr,
				flags | BPF_F_PSEUDO_HDR | sizeof(__be32)) ||
	    bpf_l4_csum_replace(skb, check, end->old_port, end->new_port,
				flags | sizeof(__be16)) ||
	    bpf_l3_csum_replace(skb, NETWORK + offsetof(struct iphdr, check),
				end->old_addr, end->new_addr, sizeof(__be32)) ||
	    bpf_skb_store_bytes(skb, end->addr_offset, &end->new_addr,
				sizeof(__be32), 0) ||
	    bpf_skb_store_bytes(skb, end->port_offset, &end->new_port,
				sizeof(__be16), 0))
		return -1;
	return 0;
}

static __always_inline int rewrite_source(struct __sk_buff *skb,
					  const struct packet *packet,
					  __be32 addr, __be16 port)
{
	struct end end = {
		.addr_offset = NETWORK + offsetof(struct iphdr, saddr),
		.port_offset = packet->transport,
		.old_addr = packet->tuple.saddr,
		.new_addr = addr,
		.old_port = packet->tuple.sport,
		.new_port = port,
	};

	return rewrite(skb, packet, &end);
}

static __always_inline int rewrite_destination(struct __sk_buff *skb,
					       const struct packet *packet,
					       __be32 addr, __be16 port)
{
	struct end end = {
		.addr_offset = NETWORK + offsetof(struct iphdr, daddr),
		.port_offset = packet->transport + sizeof(__be16),
		.old_addr = packet->tuple.daddr,
		.new_addr = addr,
		.old_port = packet->tuple.dport,
		.new_port = port,
	};

	return rewrite(skb, packet, &end);
}

#endif
