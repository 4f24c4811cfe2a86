/* SPDX-License-Identifier: GPL-2.0-only */
/* Full NAT of a packet of a session (translate.c). */
#ifndef IP_VS_BPF_PACKET_TRANSLATE
#define IP_VS_BPF_PACKET_TRANSLATE

#include "packet/packet.h"
#include "table/session.h"

bool ivb_translate(struct session *session, const struct ip_vs_conn *cp, u8 direction,
		   struct sk_buff *skb, const struct packet *packet);

#endif
