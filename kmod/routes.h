/* SPDX-License-Identifier: GPL-2.0-only */
/* The way out of a packet (routes.c). */
#ifndef IP_VS_BPF_ROUTES_H
#define IP_VS_BPF_ROUTES_H

#include "ip_vs_bpf.h"

bool routes_by_rules4(const struct net *net);
struct rtable *route4(struct net *net, const struct sk_buff *skb, const struct flow *to);
struct rtable *session_route4(struct session *session, u8 direction,
			      const struct sk_buff *skb, const struct flow *to);
struct rtable *server_route4(struct net *net, const struct ip_vs_conn *cp);
#ifdef CONFIG_IP_VS_IPV6
struct dst_entry *route6(struct net *net, const struct sk_buff *skb, const struct flow *to);
struct dst_entry *session_route6(struct session *session, u8 direction,
				 const struct sk_buff *skb, const struct flow *to);
#endif
void session_routes_forget(struct session *session, const struct net_device *dev);
void session_routes_end(struct session *session);

#endif
