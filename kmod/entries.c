// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writing and deleting the entries of the session maps. While other maps are
 * about to take over (succession.c) every change goes to both, so that the
 * entries of the next maps are always among those of the present ones, and all
 * of them once they have been copied.
 *
 * All is called under RCU, with bottom halves off. Whoever may change the same
 * entry is kept out by the caller (originals.c), or cannot be: a reply tuple is
 * its session's alone as soon as it is inserted.
 */
#include "ip_vs_bpf.h"

/* The map refuses while something else holds its bucket, for a moment. */
static void delete(struct director *director, struct bpf_map *map,
		   const union tuple *tuple)
{
	int try, err;

	for (try = 0; try < 8; try++) {
		err = map->ops->map_delete_elem(map, (void *)tuple);
		if (!err || err == -ENOENT)
			return;
		cpu_relax();
	}
	count(director, COUNT_DELETE_FAILED);
}

static int update(struct bpf_map *map, const union tuple *tuple,
		  const union entry *entry, u64 flags)
{
	return map->ops->map_update_elem(map, (void *)tuple, (void *)entry, flags);
}

static void *lookup(struct bpf_map *map, const union tuple *tuple)
{
	return map->ops->map_lookup_elem(map, (void *)tuple);
}

/* Under the lock: the next maps do not take an entry. Is it while they are being
 * filled, they do not take over; later, programs may use them, and they have
 * the say.
 */
static int not_taken(struct director *director, int err)
{
	if (director->succession.copied)
		return err;
	director->succession.err = err;
	return 0;
}

/* -EEXIST: there is one. */
int entry_insert(struct director *director, struct maps *maps, u8 family,
		 const union tuple *tuple, const union entry *entry)
{
	struct bpf_map *map = sessions_of(maps, family);
	struct maps *next = rcu_dereference(maps->next);
	int err;

	if (likely(!next))
		return update(map, tuple, entry, BPF_NOEXIST);
	spin_lock(&director->succession.lock);
	err = update(map, tuple, entry, BPF_NOEXIST);
	if (!err) {
		err = update(sessions_of(next, family), tuple, entry, BPF_NOEXIST);
		if (err)
			err = not_taken(director, err);
		if (err)
			delete(director, map, tuple);
	}
	spin_unlock(&director->succession.lock);
	return err;
}

/* Whether there is one or not. */
int entry_write(struct director *director, struct maps *maps, u8 family,
		const union tuple *tuple, const union entry *entry)
{
	struct bpf_map *map = sessions_of(maps, family);
	struct maps *next = rcu_dereference(maps->next);
	struct bpf_map *next_map;
	const void *old;
	void *written;
	int err;

	if (likely(!next))
		return update(map, tuple, entry, BPF_ANY);
	next_map = sessions_of(next, family);
	spin_lock(&director->succession.lock);
	err = update(next_map, tuple, entry, BPF_ANY);
	if (err)
		err = not_taken(director, err);
	if (err)
		goto unlock;
	err = update(map, tuple, entry, BPF_ANY);
	if (err) {
		/* Both stay as they were, without asking for memory again. */
		old = lookup(map, tuple);
		written = lookup(next_map, tuple);
		if (!old)
			delete(director, next_map, tuple);
		else if (written)
			memcpy(written, old, map->value_size);
	}
unlock:
	spin_unlock(&director->succession.lock);
	return err;
}

void entry_delete(struct director *director, struct maps *maps, u8 family,
		  const union tuple *tuple)
{
	struct maps *next = rcu_dereference(maps->next);

	if (likely(!next)) {
		delete(director, sessions_of(maps, family), tuple);
		return;
	}
	spin_lock(&director->succession.lock);
	delete(director, sessions_of(maps, family), tuple);
	delete(director, sessions_of(next, family), tuple);
	spin_unlock(&director->succession.lock);
}

union entry *entry_lookup(const struct maps *maps, u8 family,
			  const union tuple *tuple)
{
	return lookup(sessions_of(maps, family), tuple);
}
