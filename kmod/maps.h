/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the fast path (maps.c). */
#ifndef IP_VS_BPF_MAPS_H
#define IP_VS_BPF_MAPS_H

#include <linux/bpf.h>
#include <linux/seq_file.h>

#include "ip_vs_bpf_abi.h"

struct director;

#define NEIGHBOUR_PLACES 4096

/* The maps that userspace handed over, and whose each slot is. */
struct maps {
	struct bpf_map *flows[2]; /* by family_index(): their values are sets */
	struct bpf_map *control;
	struct ipvs_bpf_control *of_all; /* the value of control */
	unsigned long *owners[2];      /* of each slot: flow_table.c */
	u32 neighbours[NEIGHBOUR_PLACES]; /* neighbours.c */
};

int map_write(struct director *director, char *text);
void map_show(struct director *director, struct seq_file *seq);
void maps_release(struct director *director);

#endif
