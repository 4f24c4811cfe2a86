/* SPDX-License-Identifier: GPL-2.0-only */
/* IPv4 fragments at PREROUTING (defrag.c). */
#ifndef IP_VS_BPF_PACKET_DEFRAG
#define IP_VS_BPF_PACKET_DEFRAG

#include "table/director.h"

unsigned int ivb_gather4(struct director *director, struct sk_buff *skb);

#endif
