/* SPDX-License-Identifier: GPL-2.0-only */
/* Puts a TCP option into a segment (toa_option.c). */
#ifndef IP_VS_BPF_PACKET_TOA_OPTION_H
#define IP_VS_BPF_PACKET_TOA_OPTION_H

#include <linux/tcp.h>

#include "packet/packet.h"

/* The option on the wire. */
struct toa_option {
	u8 kind;
	u8 length;
	__be16 port;
	union nf_inet_addr addr; /* length says how much of it is sent */
};

static inline struct tcphdr *toa_tcp(const struct sk_buff *skb, const struct packet *packet)
{
	return (struct tcphdr *)(skb_network_header(skb) + packet->transport);
}

/* True if a device has yet to finish the checksum of this header. */
static inline bool toa_is_partial(const struct sk_buff *skb, const struct tcphdr *tcp)
{
	return skb->ip_summed == CHECKSUM_PARTIAL &&
	       skb->head + skb->csum_start == (const u8 *)tcp;
}

int ivb_toa_add(struct sk_buff *skb, const struct packet *packet,
		const struct toa_option *option, bool narrow);

#endif
