/* SPDX-License-Identifier: GPL-2.0-only */
/* The connections of IPVS: finding one, and what IPVS does for each of its packets. */
#ifndef IP_VS_BPF_PACKET_CONN
#define IP_VS_BPF_PACKET_CONN

#include "compat.h"
#include "ip_vs_bpf_abi.h"
#include "table/accounting.h"
#include "table/director.h"
#include "table/flow.h"

/* The connection of a request flow, with a reference; or NULL. Called under RCU. */
static inline struct ip_vs_conn *conn_get(struct director *director,
					  const struct flow *flow)
{
	struct ip_vs_conn_param param;

	ip_vs_conn_fill_param(net_ipvs(director->net), flow->family, flow->protocol,
			      &flow->saddr, flow->sport, &flow->daddr, flow->dport,
			      &param);
	return ip_vs_conn_in_get(&param);
}

/* Counts the packet and advances the connection's state, as IPVS's hooks do
 * (ip_vs_core.c: ip_vs_in_hook(), handle_response()). transport is the offset of the
 * transport header.
 */
static inline void conn_advance(struct ip_vs_conn *cp, u8 direction, struct sk_buff *skb,
				unsigned int transport)
{
	struct ip_vs_proto_data *pd = ip_vs_proto_data_get(cp->ipvs, cp->protocol);

	ivb_account(cp, direction, 1, skb->len);
	if (pd && pd->pp->state_transition)
		compat_state_transition(pd->pp, cp,
					direction == IPVS_BPF_ORIGINAL ?
						IP_VS_DIR_INPUT : IP_VS_DIR_OUTPUT,
					skb, pd, transport);
}

#endif
