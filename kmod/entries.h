/* SPDX-License-Identifier: GPL-2.0-only */
/* The entries of the maps flows4 and flows6 (entries.c). */
#ifndef IP_VS_BPF_ENTRIES_H
#define IP_VS_BPF_ENTRIES_H

#include "ip_vs_bpf.h"

union entry {
	struct ipvs_bpf_flow4 v4;
	struct ipvs_bpf_flow6 v6;
};

union entry *entry_find(const struct maps *maps, const struct flow *flow);
int entry_write(const struct maps *maps, const struct flow *flow,
		const struct flow *to);
int entry_delete(const struct maps *maps, const struct flow *flow);
bool entry_makes(const union entry *entry, const struct flow *to);
struct ipvs_bpf_lease *entry_lease(u8 family, union entry *entry);

#endif
