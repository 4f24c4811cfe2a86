/* SPDX-License-Identifier: GPL-2.0-only */
/* ICMP errors about packets of full-NAT connections (icmp_error.c). */
#ifndef IP_VS_BPF_PACKET_ICMP_ERROR
#define IP_VS_BPF_PACKET_ICMP_ERROR

#include "table/director.h"

unsigned int ivb_error_in4(struct director *director, struct sk_buff *skb,
			   unsigned int hook);
unsigned int ivb_error_in6(struct director *director, struct sk_buff *skb,
			   unsigned int hook);

#endif
