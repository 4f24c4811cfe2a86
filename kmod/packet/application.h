/* SPDX-License-Identifier: GPL-2.0-only */
/* The module as an IPVS application (application.c). */
#ifndef IP_VS_BPF_PACKET_APPLICATION
#define IP_VS_BPF_PACKET_APPLICATION

#include "packet/packet.h"
#include "table/services.h"

extern struct ip_vs_app ivb_adopter;

int ivb_session_init_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp);
int ivb_session_done_conn(struct ip_vs_app *inc, struct ip_vs_conn *cp);
bool ivb_session_bind(struct director *director, struct service *service,
		      struct ip_vs_conn *cp, struct dst_entry *route);
bool ivb_session_transmit(struct ip_vs_conn *cp);
void ivb_adopter_put(void);
unsigned int ivb_ask_for_rule(nf_hookfn *hook, struct sk_buff *skb,
			      const struct nf_hook_state *local_in);

#endif
