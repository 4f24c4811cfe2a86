/* SPDX-License-Identifier: GPL-2.0-only */
/* The route of a packet (routes.c). */
#ifndef IP_VS_BPF_SESSION_ROUTES
#define IP_VS_BPF_SESSION_ROUTES

#include "compat.h"
#include "table/session.h"

struct dst_entry *ivb_route_out(struct net *net, const struct sk_buff *skb,
				const struct flow *to);
struct dst_entry *ivb_session_route(struct session *session, u8 direction,
				    const struct sk_buff *skb, const struct flow *to);
bool ivb_server_is_local(struct net *net, const struct ip_vs_conn *cp,
			 struct dst_entry **route);
void ivb_session_routes_forget(struct session *session, const struct net_device *dev);
void ivb_session_routes_end(struct session *session);

#endif
