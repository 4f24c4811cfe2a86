/* SPDX-License-Identifier: GPL-2.0-only */
/* The flow that full NAT makes of another (flows.c). */
#ifndef IP_VS_BPF_FLOWS_H
#define IP_VS_BPF_FLOWS_H

#include "ip_vs_bpf.h"

struct translation {
	struct flow flow;
	u8 direction; /* of the flow before: enum ipvs_bpf_direction */
};

bool flow_find(struct director *director, const struct flow *flow,
	       struct translation *to);

#endif
