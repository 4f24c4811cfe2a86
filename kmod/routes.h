/* SPDX-License-Identifier: GPL-2.0-only */
/* The way out of a packet (routes.c). */
#ifndef IP_VS_BPF_ROUTES_H
#define IP_VS_BPF_ROUTES_H

#include "ip_vs_bpf.h"

struct rtable *route4(struct net *net, const struct sk_buff *skb, __be32 daddr,
		      __be32 saddr);
struct rtable *session_route4(struct session *session, u8 direction,
			      const struct sk_buff *skb, __be32 daddr, __be32 saddr);
struct rtable *server_route4(struct net *net, const struct ip_vs_conn *cp);
#ifdef CONFIG_IP_VS_IPV6
struct dst_entry *route6(struct net *net, const struct sk_buff *skb,
			 const struct in6_addr *daddr,
			 const struct in6_addr *saddr);
struct dst_entry *session_route6(struct session *session, u8 direction,
				 const struct sk_buff *skb,
				 const struct in6_addr *daddr,
				 const struct in6_addr *saddr);
#endif
void session_routes_forget(struct session *session, const struct net_device *dev);
void session_routes_end(struct session *session);

#endif
