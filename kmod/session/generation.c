// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generation of a director's leases. The program compares it, so a new generation
 * ends all leases at once.
 */
#include "session/leases.h"
#include "table/maps.h"

/* Ends all existing leases, in every map. A packet for which the program has already
 * found a lease is still forwarded.
 */
void ivb_leases_revoke(struct director *director)
{
	struct maps *maps;
	u32 generation;

	rcu_read_lock();
	spin_lock_bh(&director->leased_lock);
	generation = director->generation + 1;
	if (generation == NO_GENERATION)
		generation++;
	/* A reader that sees the new generation also sees the reason for it. */
	smp_store_release(&director->generation, generation);
	maps = rcu_dereference(director->maps);
	if (maps)
		WRITE_ONCE(maps->control_value->generation, generation);
	spin_unlock_bh(&director->leased_lock);
	rcu_read_unlock();
}
