/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv4 TCP, UDP or SCTP packet, and rewrites one end of it. */
#ifndef PACKET4_H
#define PACKET4_H

#include <linux/ip.h>
#include <bpf/bpf_endian.h>

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
	struct iphdr iph;
	struct ports ports;

	if (skb->vlan_present ||
	    bpf_skb_load_bytes(skb, NETWORK, &iph, sizeof(iph)))
		return PARSE_OTHER;
	if (iph.ihl < 5 || !has_ports(iph.protocol))
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
struct end4 {
	__u32 addr_offset;
	__u32 port_offset;
	__be32 old_addr, new_addr;
	__be16 old_port, new_port;
};

/* Mends the checksums first, by the difference, and then writes. */
static __always_inline int rewrite4(struct __sk_buff *skb,
				    const struct packet4 *packet,
				    const struct end4 *end)
{
	__u8 protocol = packet->tuple.protocol;
	__u64 flags = checksum_flags(protocol);
	__u32 check = checksum_at(packet->transport, protocol);

	if (has_checksum(protocol) &&
	    (bpf_l4_csum_replace(skb, check, end->old_addr, end->new_addr,
				 flags | BPF_F_PSEUDO_HDR | sizeof(__be32)) ||
	     bpf_l4_csum_replace(skb, check, end->old_port, end->new_port,
				 flags | sizeof(__be16)) ||
	     bpf_skb_store_bytes(skb, end->port_offset, &end->new_port,
				 sizeof(__be16), 0)))
		return -1;
	if (bpf_l3_csum_replace(skb, NETWORK + offsetof(struct iphdr, check),
				end->old_addr, end->new_addr, sizeof(__be32)) ||
	    bpf_skb_store_bytes(skb, end->addr_offset, &end->new_addr,
				sizeof(__be32), 0))
		return -1;
	return 0;
}

static __always_inline int rewrite_source4(struct __sk_buff *skb,
					   const struct packet4 *packet,
					   __be32 addr, __be16 port)
{
	struct end4 end = {
		.addr_offset = NETWORK + offsetof(struct iphdr, saddr),
		.port_offset = packet->transport,
		.old_addr = packet->tuple.saddr,
		.new_addr = addr,
		.old_port = packet->tuple.sport,
		.new_port = port,
	};

	return rewrite4(skb, packet, &end);
}

static __always_inline int rewrite_destination4(struct __sk_buff *skb,
						const struct packet4 *packet,
						__be32 addr, __be16 port)
{
	struct end4 end = {
		.addr_offset = NETWORK + offsetof(struct iphdr, daddr),
		.port_offset = packet->transport + sizeof(__be16),
		.old_addr = packet->tuple.daddr,
		.new_addr = addr,
		.old_port = packet->tuple.dport,
		.new_port = port,
	};

	return rewrite4(skb, packet, &end);
}

#endif
