// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports that are the host's own. If a local IP is also an address of this host, the
 * host's sockets have ports of it. What the server sends to the local IP and port of a
 * session goes to the client: a socket with that port would never see it. So a session
 * takes no port
 *
 * - that the host may draw at any time for its own connections
 *   (ip_local_port_range without ip_local_reserved_ports);
 * - where a socket would get what the server sends: a listening socket, or one that
 *   has a connection to this very server and port.
 *
 * A local IP that is only routed to this host has none of these, and all its ports are
 * free. With SCTP nothing can be avoided, because the ports stay.
 */
#include <linux/inetdevice.h>
#include <net/addrconf.h>
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ip.h>
#include <net/udp.h>

#include "compat.h"
#include "session/host_ports.h"
#include "table/director.h"

/* The bits of ip->own. The rest is the number of the host's routes when they were read.
 * The routes include the host's addresses, and any change gives them another number.
 */
enum { OWN = 1, KNOWN = 2, NUMBER_SHIFT = 2 };

/* Routes seldom change, and a lookup costs as much as the rest of the choice. The
 * number is read first: if the routes change meanwhile, the answer is used until the
 * next question.
 */
static bool is_own4(struct net *net, struct local_ip *ip)
{
	u32 now = (u32)rt_genid_ipv4(net) << NUMBER_SHIFT | KNOWN;
	u32 known = READ_ONCE(ip->own);

	if ((known & ~OWN) == now)
		return known & OWN;
	known = now;
	/* Also finds an address of an interface in a VRF. */
	if (__ip_dev_find(net, ip->addr.ip, false))
		known |= OWN;
	WRITE_ONCE(ip->own, known);
	return known & OWN;
}

static bool is_own(struct net *net, struct local_ip *ip)
{
#ifdef CONFIG_IP_VS_IPV6
	/* This is one lookup in a hash table. */
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

/* Returns false if no socket has that local port, whatever its address. This is one
 * lookup, and nearly all ports of a local IP have no socket. Every TCP socket with a
 * port, in any state, is in the chain that binding made (__inet_inherit_port(),
 * inet_twsk_hashdance()).
 */
static bool has_port(struct net *net, u8 protocol, u16 port)
{
	struct inet_hashinfo *tcp = compat_tcp_hashinfo(net);

	if (protocol != IPPROTO_TCP)
		return READ_ONCE(udp_hashslot(compat_udp_table(net), net, port)->count);
	return !hlist_empty(&tcp->bhash[inet_bhashfn(net, port, tcp->bhash_size)].chain);
}

/* True if a socket would get what the server sends there. A socket that is bound to a
 * device is not found: the device by which the server's answer comes in is not known
 * yet.
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

/* Under RCU, with bottom halves off. */
bool ivb_host_has_port(struct net *net, const struct ip_vs_conn *cp,
		       struct local_ip *ip, __be16 port)
{
	if (cp->protocol == IPPROTO_SCTP || !is_own(net, ip))
		return false;
	return is_drawn(net, ntohs(port)) ||
	       (has_port(net, cp->protocol, ntohs(port)) &&
		has_socket(net, cp, ip, port));
}
