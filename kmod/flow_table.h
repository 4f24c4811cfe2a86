/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps flows4 and flows6 as a table of flows (flow_table.c). */
#ifndef IP_VS_BPF_FLOW_TABLE_H
#define IP_VS_BPF_FLOW_TABLE_H

#include "ip_vs_bpf.h"

int flow_table_init(struct maps *maps);
void flow_table_exit(struct maps *maps);
bool flow_table_put(const struct maps *maps, struct session *session, u8 direction,
		    const struct flow *from, const struct flow *to,
		    const struct ipvs_bpf_lease *lease);
bool flow_table_fold(const struct maps *maps, struct session *session, u8 direction,
		     u32 *last);
void flow_table_remove(const struct maps *maps, struct session *session, u8 direction);

#endif
