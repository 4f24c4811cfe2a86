// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a session, and the lookup of a connection's session. A session ends when
 * IPVS ends its connection, or gives way before that (unanswered.c).
 */
#include <linux/slab.h>

#include "session/leases.h"
#include "session/routes.h"
#include "session/sessions.h"
#include "session/unanswered.h"
#include "table/counters.h"
#include "table/services.h"

static struct kmem_cache *session_caches[FAMILIES];

/* Returns NULL if there is no memory. */
struct session *ivb_session_alloc(u8 family)
{
	return kmem_cache_zalloc(session_caches[family_index(family)], GFP_ATOMIC);
}

/* Removes everything by which others could find the session. It keeps its local IP
 * until the connection ends, because a packet may be using it. Called under RCU, with
 * bottom halves off.
 */
static void unlink_session(struct session *session)
{
	struct director *director = session_director(session);

	ivb_session_remove(session);
	ivb_session_routes_end(session);
	ivb_leases_end(session);
	atomic_dec(&session->local_ip->sessions);
	atomic_dec(&session->service->sessions);
	atomic_dec(&director->session_count);
	count(director, COUNT_SESSIONS_ENDED);
}

/* Gives up a session that is not answered: its port is free at once. Returns false if it is
 * answered, or another CPU was first. IPVS ends the connection when its timer
 * expires, which is with the next tick. If a packet uses the connection at this moment,
 * the connection ends with the next packet (request.c: drop_lost()) or within a minute.
 *
 * Another CPU may be making the connection still (ivb_unanswered_begin()). Then IPVS has
 * not hashed it and has not started its timer, which must not expire before its maker is
 * done with it. So this changes the timer only if it runs, as ip_vs_conn_expire_now()
 * does, which is not exported. The timer of a new connection starts when its first packet
 * is put, for which drop_lost() sets timeout 0.
 */
bool ivb_session_give_up(struct session *session)
{
	struct ip_vs_conn *cp = session->conn;

	if (!ivb_unanswered_give_up(session))
		return false;
	count(session_director(session), COUNT_SESSIONS_GIVEN_UP);
	unlink_session(session);
	if (!__ip_vs_conn_get(cp))
		return true; /* it is ending */
	cp->timeout = 0;
	mod_timer_pending(&cp->timer, jiffies);
	__ip_vs_conn_put(cp);
	return true;
}

static void session_free(struct rcu_head *rcu)
{
	struct session *session = container_of(rcu, struct session, rcu);

	kfree(session->leases);
	kfree(session);
}

/* Under RCU, with bottom halves off. */
void ivb_session_end(struct session *session)
{
	/* A session that was given up has nothing left that others could see. */
	if (ivb_unanswered_end(session))
		unlink_session(session);
	ivb_local_ip_put(session_director(session), session->local_ip);
	call_rcu(&session->rcu, session_free);
}

/* The session's connection, with a reference. Called under RCU. Returns NULL if the
 * session has ended.
 */
struct ip_vs_conn *ivb_session_conn_get(const struct session *session)
{
	struct ip_vs_conn *cp = session->conn;

	if (!__ip_vs_conn_get(cp))
		return NULL;
	if (conn_session(cp) == session)
		return cp;
	/* This put does not change the timer. */
	__ip_vs_conn_put(cp);
	return NULL;
}

int ivb_sessions_module_init(void)
{
	session_caches[IPV4] = kmem_cache_create("session4",
						 offsetof(struct session, route6),
						 __alignof__(struct session), 0, NULL);
	session_caches[IPV6] = kmem_cache_create("session6", sizeof(struct session),
						 __alignof__(struct session), 0, NULL);
	if (session_caches[IPV4] && session_caches[IPV6])
		return 0;
	ivb_sessions_module_exit();
	return -ENOMEM;
}

/* The caches that there are. */
void ivb_sessions_module_exit(void)
{
	kmem_cache_destroy(session_caches[IPV4]);
	kmem_cache_destroy(session_caches[IPV6]);
}
