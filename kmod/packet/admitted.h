/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests of TCP connections that IPVS knows (admitted.c). */
#ifndef IP_VS_BPF_PACKET_ADMITTED
#define IP_VS_BPF_PACKET_ADMITTED

#include "packet/packet.h"
#include "table/director.h"

bool ivb_admitted_in(struct director *director, struct sk_buff *skb,
		     const struct packet *packet, unsigned int *verdict);

#endif
