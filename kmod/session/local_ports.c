// SPDX-License-Identifier: GPL-2.0-only
/*
 * The choice of the local IP and port of a new session. It follows from the connection,
 * the pool and a key. Directors with the same key choose the same, so that a backup has
 * the ports of its master. Without the key, nobody can choose connections that compete
 * for one port.
 */
#include <linux/siphash.h>

#include "session/host_ports.h"
#include "session/local_ports.h"
#include "session/sessions.h"
#include "session/unanswered.h"
#include "table/counters.h"
#include "table/destinations.h"
#include "table/services.h"

/* PROBES is how many taken local IPs and ports are tried before one of their sessions
 * gives way or the connection is refused. TRIES also counts those that no session may
 * have. So a refusal costs no more than two acceptances. If 95 of 100 ports are taken, one
 * in 25 new connections does not find a free one.
 */
#define PROBES 64
#define TRIES (4 * PROBES)
/* The number of these that try the client's own port on another local IP. */
#define PROBES_OWN_PORT 8
/* How often other CPUs may take what a new session was about to take. */
#define ROUNDS 4

/* The part of a choice that is the same for each try. */
struct basis {
	siphash_key_t key;
	u64 client;         /* the address; of IPv6 its hash */
	unsigned int first; /* the number of the first local IP */
};

/* A local IP and port whose session may give way. */
struct taken {
	struct session *session; /* NULL: there is none */
	struct local_ip *ip;
	__be16 port;
};

static void find_basis(const struct director *director, const struct lip_array *ips,
		       const struct ip_vs_conn *cp, struct basis *basis)
{
	const union nf_inet_addr *addr = &cp->caddr;

	basis->key.key[0] = READ_ONCE(director->port_key.key[0]);
	basis->key.key[1] = READ_ONCE(director->port_key.key[1]);
	if (cp->af == AF_INET6)
		basis->client = siphash_4u32((__force u32)addr->ip6[0],
					     (__force u32)addr->ip6[1],
					     (__force u32)addr->ip6[2],
					     (__force u32)addr->ip6[3], &basis->key);
	else
		basis->client = (__force u32)addr->ip;
	basis->first = 0;
	if (ips->count > 1)
		basis->first = reciprocal_scale(siphash_1u64(basis->client, &basis->key),
						ips->count);
}

static u32 port_hash(const struct basis *basis, u16 own, unsigned int try)
{
	return siphash_2u64(basis->client, (u64)own << 32 | try, &basis->key);
}

/* The local IP and port of a try. Returns false if this try has none. */
static bool choice(const struct lip_array *ips, const struct ip_vs_conn *cp,
		   const struct basis *basis, unsigned int try, struct local_ip **ip,
		   __be16 *port)
{
	u16 own = ntohs(cp->cport);
	u32 ports, span, hash;
	u16 first, last;

	*ip = ips->ip[(basis->first + try) % ips->count];
	ports = READ_ONCE((*ip)->ports);
	first = ports >> 16;
	last = ports & 0xffff;
	span = last - first + 1;
	*port = cp->cport;
	/* SCTP's checksum covers the ports, so they stay. */
	if (try < PROBES_OWN_PORT || cp->protocol == IPPROTO_SCTP)
		return try < ips->count && own >= first && own <= last;
	try -= PROBES_OWN_PORT;
	/* Each of a few ports is tried, so that none is free when all have failed. Of
	 * many ports, a random choice collides least.
	 */
	if (span <= (PROBES - PROBES_OWN_PORT) / ips->count) {
		hash = port_hash(basis, own, 0);
		*port = htons(first + (reciprocal_scale(hash, span) +
				       try / ips->count) % span);
		return true;
	}
	hash = port_hash(basis, own, try);
	*port = htons(first + reciprocal_scale(hash, span));
	return true;
}

/* Gives the local IP and port to the session, by inserting the session into the table.
 * Returns -EEXIST if another session has them, and notes it if it is the oldest that may
 * give way. Returns -EADDRNOTAVAIL if they are VIP and port of a service (a reply to it
 * could not be told from a request), or the host's own. A reply that finds the session
 * before its connection is bound passes as if there were no session
 * (ivb_session_conn_get()). Inlined: 27 instructions a session.
 */
static __always_inline int try_port(struct session *session, struct local_ip *ip,
				    __be16 port, struct taken *oldest)
{
	struct director *director = session_director(session);
	const struct ip_vs_conn *cp = session->conn;
	struct session *other;

	if ((!destination_is_alone(director, ip) &&
	     ivb_service_find(director, cp->af, cp->protocol, &ip->addr, port)) ||
	    ivb_host_has_port(director->net, cp, ip, port))
		return -EADDRNOTAVAIL;
	session->local_ip = ip;
	session->local_port = port;
	other = ivb_session_insert(session);
	if (IS_ERR(other))
		return PTR_ERR(other);
	if (other) {
		if (ivb_unanswered_is_older(other, oldest->session))
			*oldest = (struct taken){ other, ip, port };
		return -EEXIST;
	}
	/* The reference of the listing is dropped a grace period after the array was
	 * replaced, so it still exists.
	 */
	refcount_inc(&ip->refs);
	atomic_inc(&ip->sessions);
	return 0;
}

/* Returns -EEXIST if other sessions have all ports that it tried. */
static int try_ports(const struct lip_array *ips, const struct basis *basis,
		     struct session *session, struct taken *oldest)
{
	unsigned int try, probes = 0;
	struct local_ip *ip;
	__be16 port;
	int err;

	for (try = 0; try < TRIES && probes < PROBES; try++) {
		if (!choice(ips, session->conn, basis, try, &ip, &port))
			continue;
		err = try_port(session, ip, port, oldest);
		if (err == -EADDRNOTAVAIL)
			continue;
		if (err != -EEXIST)
			return err;
		probes++;
		count(session_director(session), COUNT_PORT_COLLISIONS);
	}
	return probes ? -EEXIST : -EADDRNOTAVAIL;
}

/* Chooses the local IP and port, and inserts the session into the table. Called under RCU,
 * which keeps the sessions that it finds.
 */
int ivb_local_port_choose(const struct lip_array *ips, struct session *session)
{
	unsigned int round;
	struct basis basis;
	int err;

	find_basis(session_director(session), ips, session->conn, &basis);
	for (round = 0; round < ROUNDS; round++) {
		struct taken oldest = {}, other = {};

		err = try_ports(ips, &basis, session, &oldest);
		if (err != -EEXIST || !oldest.session)
			return err;
		if (!ivb_session_give_up(oldest.session))
			continue;
		err = try_port(session, oldest.ip, oldest.port, &other);
		if (err != -EEXIST)
			return err;
	}
	return err;
}
