/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flows of either family, as the session maps know them; see flows.c.
 */
#ifndef IP_VS_BPF_FLOWS_H
#define IP_VS_BPF_FLOWS_H

#include "ip_vs_bpf.h"

/* The flow of a packet as it is, in either family. Unused bytes of the
 * addresses are 0.
 */
struct flow {
	union nf_inet_addr saddr;
	union nf_inet_addr daddr;
	__be16 sport;
	__be16 dport;
	u8 family;
	u8 protocol;
};

/* What full NAT makes of a flow. */
struct translation {
	struct flow flow;
	u16 service;  /* its id */
	u8 direction; /* of the flow before: enum ipvs_bpf_direction */
};

bool flow_find(struct director *director, const struct flow *flow,
	       struct translation *to);

#endif
