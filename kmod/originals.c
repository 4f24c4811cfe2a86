// SPDX-License-Identifier: GPL-2.0-only
/*
 * The map entry of an original tuple (client -> VIP), which two connections may
 * have in common: when a client uses its port again while its old connection
 * still ends, and when two CPUs see the first datagrams of a flow at once. The
 * connection that comes last has the entry; the session of the other one is
 * displaced, and must leave the entry alone when it ends. So writing, and
 * comparing and deleting, exclude each other by a lock chosen by the tuple.
 */
#include "ip_vs_bpf.h"

static spinlock_t *lock_of(struct director *director, u8 family,
			   const union tuple *original)
{
	u32 hash = tuple_hash(family, original);

	return &director->original_locks[hash % ORIGINAL_LOCKS];
}

int original_insert(const struct session *session, struct maps *maps, u8 family,
		    const union tuple *original, const union tuple *reply)
{
	struct director *director = session->director;
	spinlock_t *lock = lock_of(director, family, original);
	union entry entry;
	int err;

	entry_make(family, reply, session->service->id, IPVS_BPF_ORIGINAL, &entry);
	spin_lock_bh(lock);
	err = entry_insert(director, maps, family, original, &entry);
	if (err == -EEXIST) {
		err = entry_write(director, maps, family, original, &entry);
		if (!err)
			atomic_inc(&director->displaced);
	}
	spin_unlock_bh(lock);
	return err;
}

/* Only if the entry is this session's: its reply tuple names it. */
void original_delete(struct session *session, struct maps *maps, u8 family,
		     const union tuple *original, const union tuple *reply)
{
	struct director *director = session->director;
	spinlock_t *lock = lock_of(director, family, original);
	const union entry *found;

	spin_lock_bh(lock);
	session->ended = true;
	found = entry_lookup(maps, family, original);
	if (found && entry_makes(family, found, reply))
		entry_delete(director, maps, family, original);
	else
		atomic_dec(&director->displaced);
	spin_unlock_bh(lock);
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
	lock = lock_of(director, cp->af, &original);
	spin_lock_bh(lock);
	found = entry_lookup(maps, cp->af, &original);
	absent = !found;
	if (!session->ended && (absent || !entry_makes(cp->af, found, &reply)) &&
	    !entry_write(director, maps, cp->af, &original, &entry) && absent)
		atomic_dec(&director->displaced);
	spin_unlock_bh(lock);
}
