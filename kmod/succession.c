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
 * stops; and a session for which the next maps have no room is refused.
 *
 * Why no entry is lost. maps->next is published before the copying begins, and
 * a grace period lies between: every writer then sees it. Writers and the copier
 * exclude each other by succession_lock. So under it an entry is either in both
 * maps, or in the old one alone and not copied yet; and while a batch is being
 * copied nothing is deleted. Between two batches the last key may go: the walk
 * begins anew, and finds most of its work done. New and updated entries may stand
 * before or behind the walk: they are in both anyway.
 *
 * At the commit a grace period lies between the new pointer and the end of the
 * old maps. A writer that still has the old pointer writes both; one that has the
 * new one writes the next maps alone. They never write the same entry, since the
 * callers keep each other out (entries.c), but for two sessions that try for the
 * same reply tuple: the next map has the last word on that (entry_insert()).
 */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "ip_vs_bpf.h"

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
	int i, err = 0;

	rcu_read_lock();
	spin_lock_bh(&director->succession_lock);
	if (walk->begun &&
	    !walk->from->ops->map_lookup_elem(walk->from, &walk->key)) {
		walk->begun = false;
		walk->restarts++;
	}
	for (i = 0; i < BATCH && !err; i++)
		err = copy_next(walk);
	spin_unlock_bh(&director->succession_lock);
	rcu_read_unlock();
	return err;
}

static int copy_map(struct director *director, const char *name,
		    struct bpf_map *from, struct bpf_map *to)
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
		if (err == -E2BIG)
			return refuse(director->map_error, err, 0,
				      "%s: there are more entries than the %u for which the new map has room",
				      name, to->max_entries);
		if (err && err != -ENOMEM && err != -EBUSY && err != -EAGAIN)
			return err;
		if (!err) {
			pauses = 0;
			cond_resched();
			continue;
		}
		pauses++;
		usleep_range(100, 1000);
	}
	return refuse(director->map_error, err ?: -EAGAIN, 0,
		      "%s: the entries could not be copied: %s", name,
		      err == -ENOMEM ? "there is no memory" :
				       "they change too fast; try again");
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

/* Takes over next, or leaves it to the caller. */
int succession_begin(struct director *director, struct maps *maps,
		     struct maps *next)
{
	int err;

	rcu_assign_pointer(maps->next, next);
	synchronize_rcu();
	err = copy_map(director, "sessions4", maps->sessions4, next->sessions4);
	if (!err)
		err = copy_map(director, "sessions6", maps->sessions6, next->sessions6);
	if (!err)
		return 0;
	RCU_INIT_POINTER(maps->next, NULL);
	synchronize_rcu();
	return err;
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
