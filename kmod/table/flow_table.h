/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps flows4 and flows6 as a table of flows (flow_table.c). */
#ifndef IP_VS_BPF_FLOW_TABLE_H
#define IP_VS_BPF_FLOW_TABLE_H

#include "table/maps.h"
#include "table/session.h"

int ivb_flow_table_init(struct maps *maps);
void ivb_flow_table_exit(struct maps *maps);
bool ivb_flow_table_put(const struct maps *maps, struct session *session, u8 direction,
			const struct flow *from, const struct flow *to,
			const struct ipvs_bpf_lease *lease);
bool ivb_flow_table_fold(const struct maps *maps, struct session *session, u8 direction,
			 u32 *last);
void ivb_flow_table_end(struct director *director, const struct maps *maps,
			const struct flow *from);
void ivb_flow_table_remove(const struct maps *maps, struct session *session, u8 direction);

#endif
