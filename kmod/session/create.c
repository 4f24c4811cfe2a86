// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creates the session of a new connection, or counts why there is none.
 */
#include <linux/slab.h>
#include <net/ipv6.h>

#include "session/leases.h"
#include "session/local_ports.h"
#include "session/sessions.h"
#include "session/unanswered.h"
#include "table/counters.h"
#include "table/services.h"

static enum counter refusal(int err)
{
	switch (err) {
	case -EEXIST:
		return COUNT_REFUSED_PORTS_EXHAUSTED;
	case -EADDRNOTAVAIL:
		return COUNT_REFUSED_NO_PORT;
	default:
		return COUNT_REFUSED_NO_MEMORY;
	}
}

/* True if the connection can have no session, whatever the pool has. Counts why. */
static bool is_refused(struct director *director, const struct ip_vs_conn *cp)
{
	/* SCTP ports are not translated, so service and server need the same port. */
	if (cp->protocol == IPPROTO_SCTP && cp->vport != cp->dport) {
		count(director, COUNT_REFUSED_SCTP_PORTS);
		return true;
	}
	/* Nothing can be sent back to ::. The routing code refuses 0.0.0.0. */
	if (cp->af == AF_INET6 && ipv6_addr_any(&cp->caddr.in6)) {
		count(director, COUNT_REFUSED_UNSPECIFIED);
		return true;
	}
	/* A link-local address has no meaning where the server's answer comes in. */
	if (cp->af == AF_INET6 &&
	    ipv6_addr_type(&cp->caddr.in6) & IPV6_ADDR_LINKLOCAL) {
		count(director, COUNT_REFUSED_LINK_LOCAL);
		return true;
	}
	return false;
}

/* Called under RCU. route is the route to the server, if it is known; a session takes
 * it over. Returns NULL if the connection is refused, and counts why.
 */
struct session *ivb_session_create(struct director *director, struct service *service,
				   struct ip_vs_conn *cp, struct dst_entry *route)
{
	struct pool *pool = rcu_dereference(service->pool);
	struct lip_array *ips =
		pool ? rcu_dereference(pool->half[family_index(cp->af)].ips) : NULL;
	struct session *session;
	int err;

	if (is_refused(director, cp))
		return NULL;
	if (!ips) {
		count(director, COUNT_REFUSED_EMPTY_POOL);
		return NULL;
	}
	session = ivb_session_alloc(cp->af);
	if (!session) {
		count(director, COUNT_REFUSED_NO_MEMORY);
		return NULL;
	}
	session->service = service;
	session->conn = cp;
	session->route[IPVS_BPF_ORIGINAL] = route;
	session->toa = READ_ONCE(service->toa) ? TOA_TELLING : TOA_OFF;
	err = ivb_local_port_choose(ips, session);
	if (err) {
		kfree(session);
		count(director, refusal(err));
		return NULL;
	}
	atomic_inc(&director->session_count);
	atomic_inc(&service->sessions);
	count(director, COUNT_SESSIONS_CREATED);
	ivb_unanswered_begin(session);
	if (cp->protocol == IPPROTO_TCP)
		ivb_lease_end_old(session);
	return session;
}
