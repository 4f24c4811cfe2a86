// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports that are the host's own. Where a local IP is an address of this host
 * as well, the host's sockets have ports of it, too. What the server sends to
 * the local IP and port of a session is the client's: a socket that has the
 * port would never see it. So a session takes no port
 *
 * - that the host draws for its own connections (ip_local_port_range without
 *   ip_local_reserved_ports): it may draw it at any time;
 * - where a socket would get what the server sends: one that listens, or whose
 *   connection to this very server and port exists.
 *
 * A local IP that is only routed to this host has none of these, and all its
 * ports are free. With SCTP nothing can be avoided: the ports stay.
 */
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/udp.h>

#include "ip_vs_bpf.h"

/* The generation of the host's routes, which includes its addresses: any change
 * makes it another one. Bit 0 is left for the answer.
 */
static u32 generation(struct net *net)
{
	return (u32)rt_genid_ipv4(net) << 1;
}

/* Of a new local IP: what is known is of before the last change. */
u32 host_ports_unknown(struct net *net)
{
	return generation(net) - 2;
}

/* Routes seldom change, and a look at them costs as much as the rest of the
 * choice. The generation is read first: if the routes change meanwhile, the
 * answer is good until the next question.
 */
static bool is_own4(struct net *net, struct local_ip *ip)
{
	u32 now = generation(net);
	u32 known = READ_ONCE(ip->own);

	if ((known & ~1U) == now)
		return known & 1;
	known = now | (inet_addr_type(net, ip->addr.ip) == RTN_LOCAL);
	WRITE_ONCE(ip->own, known);
	return known & 1;
}

static bool is_own(struct net *net, struct local_ip *ip)
{
#ifdef CONFIG_IP_VS_IPV6
	/* One look into a hash table. */
	if (ip->family == AF_INET6)
		return ipv6_chk_addr(net, &ip->addr.in6, NULL, 0);
#endif
	return is_own4(net, ip);
}

static bool is_drawn(struct net *net, u16 port)
{
	int low, high;

	inet_get_local_port_range(net, &low, &high);
	return port >= low && port <= high && !inet_is_local_reserved_port(net, port);
}

/* False: no socket has that local port, whatever its address. One look, which nearly all
 * ports of a local IP fail: every socket of TCP with a port, in whatever state, is in the
 * chain that binding made (__inet_inherit_port(), inet_twsk_hashdance()).
 */
static bool has_port(struct net *net, u8 protocol, u16 port)
{
	struct inet_hashinfo *tcp = compat_tcp_hashinfo(net);

	if (protocol != IPPROTO_TCP)
		return READ_ONCE(udp_hashslot(compat_udp_table(net), net, port)->count);
	return !hlist_empty(&tcp->bhash[inet_bhashfn(net, port, tcp->bhash_size)].chain);
}

/* Whether a socket would get what the server sends there. One that is bound to a
 * device is not seen: nobody knows yet by which the server's answer comes.
 */
static bool has_socket(struct net *net, const struct ip_vs_conn *cp,
		       const struct local_ip *ip, __be16 port)
{
	bool tcp = cp->protocol == IPPROTO_TCP;
	struct sock *sk;

#ifdef CONFIG_IP_VS_IPV6
	if (cp->af == AF_INET6)
		sk = tcp ? compat_tcp6_lookup(net, &cp->daddr.in6, cp->dport,
					      &ip->addr.in6, port) :
			   compat_udp6_lookup(net, &cp->daddr.in6, cp->dport,
					      &ip->addr.in6, port);
	else
#endif
		sk = tcp ? compat_tcp4_lookup(net, cp->daddr.ip, cp->dport,
					      ip->addr.ip, port) :
			   compat_udp4_lookup(net, cp->daddr.ip, cp->dport,
					      ip->addr.ip, port);
	if (!sk)
		return false;
	sock_gen_put(sk);
	return true;
}

/* True if the host may give the port to a connection of its own. Under RCU. */
bool host_draws_port(struct net *net, const struct ip_vs_conn *cp,
		     struct local_ip *ip, __be16 port)
{
	return cp->protocol != IPPROTO_SCTP && is_own(net, ip) &&
	       is_drawn(net, ntohs(port));
}

/* True if a socket of the host has the port. Under RCU, with bottom halves off. */
bool host_has_socket(struct net *net, const struct ip_vs_conn *cp,
		     struct local_ip *ip, __be16 port)
{
	return cp->protocol != IPPROTO_SCTP && is_own(net, ip) &&
	       has_port(net, cp->protocol, ntohs(port)) &&
	       has_socket(net, cp, ip, port);
}
