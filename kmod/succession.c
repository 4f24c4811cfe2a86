// SPDX-License-Identifier: GPL-2.0-only
/*
 * Other session maps take over from those that are registered, for instance
 * larger ones, and no session notices. Userspace
 *
 * 1. writes the next maps (maps.c). From then on every change of an entry goes
 *    to both (entries.c), and the entries that are there are copied. When the
 *    write returns, both have the same entries, and keep them;
 * 2. attaches programs that use the next maps in the place of the others, one
 *    interface after the other;
 * 3. writes "commit": the next maps are the registered ones, and the others are
 *    given back. Or "abandon", as long as no program uses the next maps.
 *
 * Until the commit the old maps are in force and complete, wherever userspace
 * stops; a session for which the next maps have no room is refused. (Not while
 * the entries are being copied: then the write fails, and all is as before.)
 *
 * Why no entry is lost. maps->next is published before the copying begins, and
 * a grace period lies between: every writer then sees it. Writers and the copier
 * exclude each other by succession.lock. So under it an entry is either in both
 * maps, or in the old one alone and not copied yet; and while a batch is being
 * copied nothing is deleted. Between two batches the last key may go: the walk
 * begins anew, and finds most of its work done. New and updated entries may stand
 * before or behind the walk: they are in both anyway.
 *
 * Meanwhile no session gets a lease (leases.c): the fast path pauses.
 *
 * At the commit a grace period lies between the new pointer and the end of the
 * old maps. A writer that still has the old pointer writes both; one that has the
 * new one writes the next maps alone. They never write the same entry, since the
 * callers keep each other out (entries.c), but for two sessions that try for the
 * same reply tuple: the next map has the last word on that (entry_insert()).
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "leases.h"

/* Entries copied at a time, with bottom halves off. */
#define BATCH 32
/* So often the walk may begin anew. */
#define RESTARTS 1000
/* So often in a row the map's allocator may have nothing at hand, or a bucket
 * be locked by an interrupted writer; a pause each.
 */
#define PATIENCE 1000

struct walk {
	struct director *director;
	struct bpf_map *from, *to;
	union tuple key; /* the last one that was copied */
	bool begun;
	unsigned int restarts;
};

/* -ENOENT: that was the last. Under RCU and the lock. */
static int copy_next(struct walk *walk)
{
	union tuple next;
	void *value;
	int err;

	err = walk->from->ops->map_get_next_key(walk->from,
						walk->begun ? &walk->key : NULL,
						&next);
	if (err)
		return err;
	value = walk->from->ops->map_lookup_elem(walk->from, &next);
	if (!value)
		return -EAGAIN;
	err = walk->to->ops->map_update_elem(walk->to, &next, value, BPF_ANY);
	if (err)
		return err;
	walk->key = next;
	walk->begun = true;
	return 0;
}

static int copy_batch(struct walk *walk)
{
	struct director *director = walk->director;
	int i, err;

	rcu_read_lock();
	spin_lock_bh(&director->succession.lock);
	if (walk->begun &&
	    !walk->from->ops->map_lookup_elem(walk->from, &walk->key)) {
		walk->begun = false;
		walk->restarts++;
	}
	err = director->succession.err;
	for (i = 0; i < BATCH && !err; i++)
		err = copy_next(walk);
	spin_unlock_bh(&director->succession.lock);
	rcu_read_unlock();
	return err;
}

static int copy_map(struct director *director, struct bpf_map *from,
		    struct bpf_map *to)
{
	struct walk walk = { .director = director, .from = from, .to = to };
	unsigned int pauses = 0;
	int err = 0;

	while (walk.restarts <= RESTARTS && pauses <= PATIENCE) {
		err = copy_batch(&walk);
		if (err == -ENOENT)
			return 0;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!err) {
			pauses = 0;
			cond_resched();
		} else if (err == -ENOMEM || err == -EBUSY || err == -EAGAIN) {
			pauses++;
			usleep_range(100, 1000);
		} else {
			return err;
		}
	}
	return err ?: -EAGAIN;
}

static int explain(struct director *director, const struct maps *next, int err)
{
	char *error = director->map_error;

	switch (err) {
	case -E2BIG:
		return refuse(error, err, 0,
			      "there are more entries than the %u for which the new maps have room",
			      next->sessions4->max_entries);
	case -ENOMEM:
		return refuse(error, err, 0, "there is no memory for the entries");
	case -EBUSY:
	case -EAGAIN:
		return refuse(error, err, 0,
			      "the entries change faster than they can be copied; try again");
	default:
		return refuse(error, err, 0, "the entries cannot be copied (%d)", err);
	}
}

void succession_abandon(struct director *director, struct maps *maps)
{
	struct maps *next = rcu_dereference_protected(maps->next,
						      lockdep_is_held(&director->config));

	if (!next)
		return;
	RCU_INIT_POINTER(maps->next, NULL);
	synchronize_rcu();
	maps_free(next);
}

/* From now on the next maps have the say, unless they missed an entry. */
static int copied(struct director *director)
{
	int err;

	spin_lock_bh(&director->succession.lock);
	err = director->succession.err;
	director->succession.copied = !err;
	spin_unlock_bh(&director->succession.lock);
	return err;
}

/* Takes over next, or leaves it to the caller. */
int succession_begin(struct director *director, struct maps *maps,
		     struct maps *next)
{
	int err;

	director->succession.copied = false;
	director->succession.err = 0;
	rcu_assign_pointer(maps->next, next);
	synchronize_rcu();
	/* So that the programs write to none of the entries that are copied. */
	err = leases_drain(director);
	if (!err)
		err = copy_map(director, maps->sessions4, next->sessions4);
	if (!err)
		err = copy_map(director, maps->sessions6, next->sessions6);
	if (!err)
		err = copied(director);
	if (!err)
		return 0;
	RCU_INIT_POINTER(maps->next, NULL);
	synchronize_rcu();
	return explain(director, next, err);
}

int succession_commit(struct director *director, struct maps *maps)
{
	struct maps *next = rcu_dereference_protected(maps->next,
						      lockdep_is_held(&director->config));

	if (!next)
		return refuse(director->map_error, -ENOENT, 0,
			      "no maps wait to take over");
	rcu_assign_pointer(director->maps, next);
	synchronize_rcu();
	maps_free(maps);
	return 0;
}
