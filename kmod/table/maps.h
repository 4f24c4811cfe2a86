/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the fast path, which userspace handed over (maps.c). */
#ifndef IP_VS_BPF_TABLE_MAPS
#define IP_VS_BPF_TABLE_MAPS

#include <linux/bpf.h>

#include "ip_vs_bpf_abi.h"

#define NEIGHBOUR_SLOTS 4096

/* The maps that userspace handed over, and the owners of their slots. */
struct maps {
	struct bpf_map *flows[2]; /* by family_index(): their values are sets */
	struct bpf_map *control;
	struct ipvs_bpf_control *control_value; /* the value of control; only written */
	struct ipvs_bpf_control hashing; /* our seed and sets: userspace can write control */
	unsigned long *owners[2];      /* of each slot: flow_table.c */
	u32 neighbours[NEIGHBOUR_SLOTS]; /* session/neighbours.c */
};

void ivb_maps_free(struct maps *maps);

#endif
