/* SPDX-License-Identifier: GPL-2.0-only */
/* Gives a packet the addresses and ports of another flow (nat.c). */
#ifndef IP_VS_BPF_PACKET_NAT
#define IP_VS_BPF_PACKET_NAT

#include "packet/packet.h"

int ivb_nat_rewrite(struct sk_buff *skb, const struct packet *packet,
		    const struct flow *to);

#endif
