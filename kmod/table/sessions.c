// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sessions of a director, by their reply flow (server -> local IP). An insertion
 * succeeds only if no session has that flow, so local IP and port are unique for a
 * server.
 *
 * A session has no copy of its flow. The parts of the flow are in its connection and
 * its local IP. Both exist for a grace period after the session has left the table.
 */
#include <linux/sched.h>

#include "table/director.h"
#include "table/services.h"

void ivb_session_reply_flow(const struct session *session, struct flow *flow)
{
	const struct ip_vs_conn *cp = session->conn;

	flow->saddr = cp->daddr;
	flow->daddr = session->local_ip->addr;
	flow->sport = cp->dport;
	flow->dport = session->local_port;
	flow->family = cp->af;
	flow->protocol = cp->protocol;
}

static u32 hash_key(const void *key, u32 size, u32 seed)
{
	return flow_hash(key, seed);
}

/* The flow_hash() of the reply flow. */
static u32 hash_session(const void *object, u32 size, u32 seed)
{
	const struct session *session = object;
	const struct ip_vs_conn *cp = session->conn;

	if (is_ipv6(cp->af)) {
		struct flow flow;

		ivb_session_reply_flow(session, &flow);
		return flow_hash(&flow, seed);
	}
	return ends_hash4(cp->daddr.ip, session->local_ip->addr.ip, cp->dport,
			  session->local_port, seed ^ cp->protocol);
}

/* Returns 0 if they are equal. */
static int compare(struct rhashtable_compare_arg *arg, const void *object)
{
	const struct session *session = object;
	const struct ip_vs_conn *cp = session->conn;
	const struct flow *flow = arg->key;

	return cp->dport != flow->sport || session->local_port != flow->dport ||
	       cp->protocol != flow->protocol || cp->af != flow->family ||
	       !flow_addr_equal(flow->family, &cp->daddr, &flow->saddr) ||
	       !flow_addr_equal(flow->family, &session->local_ip->addr, &flow->daddr);
}

static const struct rhashtable_params params = {
	.head_offset = offsetof(struct session, node),
	.key_len = sizeof(struct flow),
	.hashfn = hash_key,
	.obj_hashfn = hash_session,
	.obj_cmpfn = compare,
	.automatic_shrinking = true,
};

int ivb_session_table_init(struct director *director)
{
	return rhashtable_init(&director->sessions, &params);
}

/* May sleep. The table is empty. */
void ivb_session_table_exit(struct director *director)
{
	rhashtable_destroy(&director->sessions);
}

/* Under RCU. */
struct session *ivb_session_find(struct director *director, const struct flow *reply)
{
	return rhashtable_lookup(&director->sessions, reply, params);
}

/* Under RCU. Returns NULL; or the session that has that reply flow; or an error: no memory.
 */
struct session *ivb_session_insert(struct session *session)
{
	struct flow flow;

	ivb_session_reply_flow(session, &flow);
	return rhashtable_lookup_get_insert_key(&session_director(session)->sessions, &flow,
						&session->node, params);
}

void ivb_session_remove(struct session *session)
{
	rhashtable_remove_fast(&session_director(session)->sessions, &session->node, params);
}

/* Begins a walk, or goes on with one that rhashtable_walk_stop() interrupted. Returns the
 * session that rhashtable_walk_next() returned last, or the one behind it if it has ended.
 * Begins again if the table was replaced meanwhile. Returns NULL at the end, and an error
 * if the table is being replaced: then rhashtable_walk_next() begins again. A session that
 * exists during the whole walk is visited, and may be visited twice.
 */
struct session *ivb_session_walk_start(struct rhashtable_iter *iter)
	__acquires(RCU)
{
	/* Linux before 7.2 keeps the session of the replaced table, which may be freed. */
	if (rhashtable_walk_start_check(iter) == -EAGAIN)
		iter->p = NULL;
	/* The session at which the walk stopped has ended. Sessions before it in its chain
	 * may have ended, too, so its place there does not tell which one is next. The
	 * chain begins again.
	 */
	if (!iter->p && iter->skip)
		iter->skip = 1;
	return rhashtable_walk_peek(iter);
}

/* Calls the function for each session, under RCU. Sleeps in between. A session that
 * begins or ends meanwhile may be left out.
 */
void ivb_session_for_each(struct director *director,
			  void (*call)(struct session *session, const void *data),
			  const void *data)
{
	struct rhashtable_iter iter;
	struct session *session;

	rhashtable_walk_enter(&director->sessions, &iter);
	do {
		session = ivb_session_walk_start(&iter);
		while (session && !IS_ERR(session)) {
			call(session, data);
			session = rhashtable_walk_next(&iter);
			if (need_resched())
				break;
		}
		rhashtable_walk_stop(&iter);
		cond_resched();
	} while (session);
	rhashtable_walk_exit(&iter);
}
