/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the transport header's place and ports of a TCP, UDP or SCTP packet
 * that netfilter hands us: the network header is in the linear part already.
 */
#ifndef IP_VS_BPF_PACKET_H
#define IP_VS_BPF_PACKET_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ip.h>

#include "flow.h"

struct packet {
	unsigned int transport; /* offset of its header from the network header */
	__be16 ports[2];        /* source, destination */
	u8 family;
	u8 protocol;
};

/* What has its ports in the first four bytes and full NAT serves. */
static inline bool has_ports(u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_SCTP;
}

static inline bool packet_ports(const struct sk_buff *skb, struct packet *packet)
{
	const void *ports;

	ports = skb_header_pointer(skb, packet->transport, sizeof(packet->ports),
				   packet->ports);
	if (!ports)
		return false;
	if (ports != packet->ports)
		memcpy(packet->ports, ports, sizeof(packet->ports));
	return true;
}

/* false: another protocol, a fragment, or cut short. */
static inline bool packet_read4(const struct sk_buff *skb, struct packet *packet)
{
	const struct iphdr *iph = ip_hdr(skb);

	if (!has_ports(iph->protocol) || ip_is_fragment(iph))
		return false;
	packet->family = AF_INET;
	packet->protocol = iph->protocol;
	packet->transport = iph->ihl * 4;
	return packet_ports(skb, packet);
}

/* The flow of a packet that was read. Of an IPv4 address, the first word alone is set. */
static inline void packet_flow(const struct sk_buff *skb, const struct packet *packet,
			       struct flow *flow)
{
	flow->sport = packet->ports[0];
	flow->dport = packet->ports[1];
	flow->family = packet->family;
	flow->protocol = packet->protocol;
	if (packet->family == AF_INET6) {
		flow->saddr.in6 = ipv6_hdr(skb)->saddr;
		flow->daddr.in6 = ipv6_hdr(skb)->daddr;
	} else {
		flow->saddr.ip = ip_hdr(skb)->saddr;
		flow->daddr.ip = ip_hdr(skb)->daddr;
	}
}

bool options_pass4(const struct sk_buff *skb);
int packet_skip_extensions(const struct sk_buff *skb, u8 *next);

/* false: also what has extension headers that translation would harm. */
static inline bool packet_read6(const struct sk_buff *skb, struct packet *packet)
{
	u8 next = ipv6_hdr(skb)->nexthdr;
	int offset = sizeof(struct ipv6hdr);

	if (unlikely(!has_ports(next))) {
		offset = packet_skip_extensions(skb, &next);
		if (offset < 0)
			return false;
	}
	packet->family = AF_INET6;
	packet->protocol = next;
	packet->transport = offset;
	return packet_ports(skb, packet);
}

#endif
