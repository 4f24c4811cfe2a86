// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sessions that have leases. A work item makes a pass over them once a second.
 *
 * The program counts what it forwards in the lease, and notes the time. Every second
 * pass adds the counts to IPVS's counters, and restarts the connection's timer from the
 * last packet. A session leaves the list in the pass after the one that found its
 * leases over: by then the program has counted the last packet.
 *
 * The passes also end leases: those of a server that was removed by any program, and
 * all leases if routes or neighbours changed (fold_work()). That is at most once a
 * second, however often they change.
 *
 * Locking. leased_lock protects the list, and keeps a listed session and its
 * connection. It is taken before the lock of a session, never while that lock is held.
 */
#include <linux/delay.h>
#include <linux/string.h>

#include "session/fold.h"
#include "session/leases.h"
#include "session/routes.h"
#include "session/xdp.h"
#include "table/flow_table.h"

/* How many sessions are handled before leased_lock is released for others. */
#define BATCH 64

/* Counts the connection as idle since last. The timer is only moved to a later time,
 * and not if the connection was told to end (its timeout is 0): the code that does this
 * sets the timer afterwards.
 */
static void extend(struct ip_vs_conn *cp, u32 last)
{
	u32 age = min_t(u32, (u32)jiffies - last, LEASE_MAX);
	unsigned long expires = jiffies - age + READ_ONCE(cp->timeout);

	if (!time_after(expires, READ_ONCE(cp->timer.expires)) || !__ip_vs_conn_get(cp))
		return;
	/* The reference keeps ip_vs_conn_expire() from ending the connection. */
	mod_timer_pending(&cp->timer, expires);
	/* The timeout is read after that: either the CPU that set it sets the timer last, or
	 * this one sees the timeout.
	 */
	smp_mb();
	if (!READ_ONCE(cp->timeout))
		mod_timer_pending(&cp->timer, jiffies);
	__ip_vs_conn_put(cp);
}

/* Folds both directions. Called under RCU and the session's lock. */
static void fold(struct session *session, const struct maps *maps)
{
	bool forwarded = false;
	u32 last[2], latest = 0;
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		if (!ivb_flow_table_fold(maps, session, direction, &last[direction]))
			continue;
		if (!forwarded || time_after32(last[direction], latest))
			latest = last[direction];
		forwarded = true;
	}
	if (forwarded)
		extend(session->conn, latest);
}

/* Clears leases that are over. Returns true if there was no lease before. */
static bool clear_leases(struct session *session, const struct maps *maps, bool server_gone)
{
	bool none = true;
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		struct session_lease *lease = &session->leases->lease[direction];

		if (lease->generation == NO_GENERATION)
			continue;
		none = false;
		if (server_gone)
			ivb_flow_table_remove(maps, session, direction);
		if (server_gone || !has_lease(session, direction))
			WRITE_ONCE(lease->generation, NO_GENERATION);
	}
	return none;
}

/* Under leased_lock and RCU. */
static void visit(struct session_leases *leases, bool folds)
{
	struct session *session = leases->session;
	struct director *director = session_director(session);
	struct maps *maps = rcu_dereference(director->maps);
	const struct ip_vs_dest *dest = READ_ONCE(session->conn->dest);
	bool over = true;

	spin_lock(session_lock(session));
	if (!session->ended && maps) {
		over = clear_leases(session, maps, !dest || !compat_dest_available(dest));
		if (folds || over)
			fold(session, maps);
	}
	spin_unlock(session_lock(session));
	if (over)
		list_del_init(&leases->leased);
	else
		list_move_tail(&leases->leased, &director->leased);
}

/* True if a lease may no longer have the best way out, or its device no longer takes what
 * XDP sends.
 */
static bool routes_changed(struct director *director)
{
	u32 now[FAMILIES] = {
		[IPV4] = route_number(director->net, AF_INET),
		[IPV6] = route_number(director->net, AF_INET6),
	};
	bool changed = memcmp(now, director->route_numbers, sizeof(now));

	memcpy(director->route_numbers, now, sizeof(now));
	if (READ_ONCE(director->neighbour_changed)) {
		WRITE_ONCE(director->neighbour_changed, false);
		changed = true;
	}
	return ivb_xdp_devices_changed(director) || changed;
}

static void fold_work(struct work_struct *work)
{
	struct director *director = container_of(to_delayed_work(work),
						 struct director, fold);
	bool folds = director->folds = !director->folds;
	LIST_HEAD(due);

	if (routes_changed(director))
		ivb_leases_revoke(director);
	rcu_read_lock();
	spin_lock_bh(&director->leased_lock);
	list_splice_init(&director->leased, &due);
	while (!list_empty(&due)) {
		unsigned int count;

		for (count = 0; count < BATCH && !list_empty(&due); count++)
			visit(list_first_entry(&due, struct session_leases, leased), folds);
		spin_unlock_bh(&director->leased_lock);
		rcu_read_unlock();
		cond_resched();
		rcu_read_lock();
		spin_lock_bh(&director->leased_lock);
	}
	if (!list_empty(&director->leased) && !director->ending)
		schedule_delayed_work(&director->fold, HZ);
	spin_unlock_bh(&director->leased_lock);
	rcu_read_unlock();
}

/* Called under RCU, when the session has got a lease. */
void ivb_fold_begin(struct session *session)
{
	struct director *director = session_director(session);

	spin_lock_bh(&director->leased_lock);
	/* If the session has ended meanwhile, its ivb_leases_end() has already been
	 * here, or will find it on the list.
	 */
	if (!READ_ONCE(session->ended) && !director->ending &&
	    list_empty(&session->leases->leased)) {
		list_add_tail(&session->leases->leased, &director->leased);
		schedule_delayed_work(&director->fold, HZ);
	}
	spin_unlock_bh(&director->leased_lock);
}

/* Called when a session that had leases ends and has none any more. */
void ivb_fold_end(struct session *session)
{
	spin_lock_bh(&session_director(session)->leased_lock);
	list_del_init(&session->leases->leased);
	spin_unlock_bh(&session_director(session)->leased_lock);
}

/* Called when no lease is valid and none is given. All counts are folded when this
 * returns.
 */
void ivb_fold_rest(struct director *director)
{
	bool none;

	do {
		flush_delayed_work(&director->fold);
		spin_lock_bh(&director->leased_lock);
		none = list_empty(&director->leased);
		spin_unlock_bh(&director->leased_lock);
	} while (!none);
}

void ivb_fold_init(struct director *director)
{
	spin_lock_init(&director->leased_lock);
	INIT_LIST_HEAD(&director->leased);
	INIT_DELAYED_WORK(&director->fold, fold_work);
}

/* Called when the namespace ends. Sessions that are still listed are folded when they
 * end.
 */
void ivb_fold_exit(struct director *director)
{
	spin_lock_bh(&director->leased_lock);
	director->ending = true;
	spin_unlock_bh(&director->leased_lock);
	cancel_delayed_work_sync(&director->fold);
}
