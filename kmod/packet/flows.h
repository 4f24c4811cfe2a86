/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the flow that full NAT makes of another (flows.c). */
#ifndef IP_VS_BPF_FLOWS_H
#define IP_VS_BPF_FLOWS_H

#include "table/director.h"

struct translation {
	struct flow flow;
	u8 direction; /* of the original flow: enum ipvs_bpf_direction */
	struct session *session; /* valid under RCU */
};

bool ivb_flow_find(struct director *director, const struct flow *flow,
		   struct translation *to);

#endif
