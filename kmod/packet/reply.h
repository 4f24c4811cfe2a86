/* SPDX-License-Identifier: GPL-2.0-only */
/* Replies of full-NAT connections (reply.c). */
#ifndef IP_VS_BPF_PACKET_REPLY
#define IP_VS_BPF_PACKET_REPLY

#include "packet/packet.h"
#include "table/director.h"

bool ivb_reply_in(struct director *director, struct sk_buff *skb,
		  const struct packet *packet, unsigned int *verdict);

#endif
