// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map entry of an original tuple (client -> VIP), which two connections may
 * have in common: when a client uses its port again while its old connection
 * still ends, and when two CPUs see the first datagrams of a flow at once. The
 * connection that comes last has the entry; the session of the other one is
 * displaced, and must leave the entry alone when it ends. So writing, and
 * comparing and deleting, exclude each other by a lock chosen by the tuple.
 */
#include "leases.h"

spinlock_t *original_lock(struct director *director, u8 family,
			  const union tuple *original)
{
	u32 hash = tuple_hash(family, original);

	return &director->original_locks[hash % ORIGINAL_LOCKS];
}

/* Under the lock: the connection that had the entry loses it to another one of
 * the same tuple. IPVS finds that connection by the tuple until the other one is
 * hashed; only one that IPVS finds has a lease in this entry.
 */
static void displace(struct session *session, u8 family, union entry *entry)
{
	const struct ip_vs_conn *cp = session->conn;
	struct ip_vs_conn_param param;
	struct ip_vs_conn *old;
	struct session *loser;
	union tuple reply;

	ip_vs_conn_fill_param(cp->ipvs, family, cp->protocol, &cp->caddr, cp->cport,
			      &cp->vaddr, cp->vport, &param);
	old = ip_vs_conn_in_get(&param);
	if (!old)
		return;
	loser = is_ours(old) ? session_of(old) : NULL;
	if (loser && !loser->ended) {
		tuple_reply(old, loser->local_ip, loser->local_port, &reply);
		if (entry_makes(family, entry, &reply)) {
			lease_fold(loser, IPVS_BPF_ORIGINAL, entry_lease(family, entry));
			leases_restart(loser);
		}
	}
	__ip_vs_conn_put(old);
}

/* Under that lock, as each list. */
static struct hlist_head *listed_under(struct director *director, const spinlock_t *lock)
{
	return &director->originals[lock - director->original_locks];
}

int original_insert(struct session *session, struct maps *maps, u8 family,
		    const union tuple *original, const union tuple *reply)
{
	struct director *director = session->director;
	spinlock_t *lock = original_lock(director, family, original);
	union entry entry;
	int err;

	entry_make(family, reply, session->service->id, IPVS_BPF_ORIGINAL, &entry);
	spin_lock_bh(lock);
	err = entry_insert(director, maps, family, original, &entry);
	if (err == -EEXIST) {
		union entry *found = entry_lookup(maps, family, original);

		if (found)
			displace(session, family, found);
		err = entry_write(director, maps, family, original, &entry);
		if (!err)
			atomic_inc(&director->displaced);
	}
	if (!err)
		hlist_add_head(&session->original, listed_under(director, lock));
	spin_unlock_bh(lock);
	return err;
}

/* The session ends. The original entry goes only if it is this session's: its
 * reply tuple names it.
 */
void session_delete(struct session *session, struct maps *maps, u8 family,
		    const union tuple *original, const union tuple *reply)
{
	struct director *director = session->director;
	spinlock_t *lock = original_lock(director, family, original);
	const union entry *found;

	spin_lock_bh(lock);
	leases_fold(session, maps, family, original, reply);
	WRITE_ONCE(session->ended, true);
	hlist_del(&session->original);
	found = entry_lookup(maps, family, original);
	if (found && entry_makes(family, found, reply))
		entry_delete(director, maps, family, original);
	else
		atomic_dec(&director->displaced);
	entry_delete(director, maps, family, reply);
	spin_unlock_bh(lock);
	leases_forget(session);
}

/* Before a packet is sent, under RCU: makes the entry that of its session. Of
 * two connections of one tuple IPVS finds only the one that it hashed last, and
 * the entry may be the other's, or have ended with it.
 */
void original_claim(struct session *session, const struct ip_vs_conn *cp)
{
	struct director *director = session->director;
	struct maps *maps = rcu_dereference(director->maps);
	union tuple original, reply;
	const union entry *found;
	union entry entry;
	spinlock_t *lock;
	bool absent;

	tuple_original(cp, &original);
	tuple_reply(cp, session->local_ip, session->local_port, &reply);
	entry_make(cp->af, &reply, session->service->id, IPVS_BPF_ORIGINAL, &entry);
	lock = original_lock(director, cp->af, &original);
	spin_lock_bh(lock);
	found = entry_lookup(maps, cp->af, &original);
	absent = !found;
	if (!session->ended && (absent || !entry_makes(cp->af, found, &reply)) &&
	    !entry_write(director, maps, cp->af, &original, &entry)) {
		leases_restart(session);
		if (absent)
			atomic_dec(&director->displaced);
	}
	spin_unlock_bh(lock);
}
