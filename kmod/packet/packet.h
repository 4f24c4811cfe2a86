/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the position of the transport header and the ports of a TCP, UDP or SCTP
 * packet. Netfilter hands it to us with the network header in the linear part.
 */
#ifndef IP_VS_BPF_PACKET_H
#define IP_VS_BPF_PACKET_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <net/ip.h>

#include "table/flow.h"

struct packet {
	unsigned int transport; /* offset of its header from the network header */
	__be16 ports[2];        /* source, destination */
	u8 family;
	u8 protocol;
};

/* True for protocols with ports in the first four bytes that full NAT serves. */
static inline bool has_ports(u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP ||
	       protocol == IPPROTO_SCTP;
}

static __always_inline bool packet_ports(const struct sk_buff *skb, struct packet *packet)
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

/* Returns false for another protocol, a fragment, or a packet that is cut short. */
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

/* The flow of a packet that was read. For IPv4, only the first word of an address is
 * set.
 */
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

bool ivb_options_pass4(const struct sk_buff *skb);

/* True if the packet has no options, or only such as may pass. */
static inline bool options_pass4(const struct sk_buff *skb)
{
	return likely(ip_hdrlen(skb) == sizeof(struct iphdr)) || ivb_options_pass4(skb);
}

int ivb_packet_skip_extensions(const struct sk_buff *skb, u8 *next);

/* Like packet_read4(). Also returns false for extension headers that translation would
 * break.
 */
static inline bool packet_read6(const struct sk_buff *skb, struct packet *packet)
{
	u8 next = ipv6_hdr(skb)->nexthdr;
	int offset = sizeof(struct ipv6hdr);

	if (unlikely(!has_ports(next))) {
		offset = ivb_packet_skip_extensions(skb, &next);
		if (offset < 0)
			return false;
	}
	packet->family = AF_INET6;
	packet->protocol = next;
	packet->transport = offset;
	return packet_ports(skb, packet);
}

#endif
