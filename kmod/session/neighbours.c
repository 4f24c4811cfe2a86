// SPDX-License-Identifier: GPL-2.0-only
/*
 * The neighbours that leases send to. A lease has a copy of the neighbour's link-layer
 * address, so it ends if the address changes or is lost.
 *
 * The kernel notifies of each change of a neighbour's state, and most of them
 * (reachable, stale, probed) do not matter here. So a digest of the neighbour and its address
 * is noted when the address is copied into a lease, in a table of fixed size at an index
 * that the neighbour determines. Each notification is compared with the digest. Two
 * neighbours may share an index: then an unchanged one may look changed, and leases are
 * given again. A change is missed only where two digests of 31 bits are the same.
 */
#include <linux/if_arp.h>
#include <linux/jhash.h>
#include <net/neighbour.h>
#include <net/netevent.h>

#include "session/neighbours.h"

static u32 hash_of(const struct neighbour *neigh)
{
	return jhash(neigh->primary_key, neigh->tbl->key_len, neigh->dev->ifindex);
}

static u32 *slot_of(struct maps *maps, const struct neighbour *neigh)
{
	return &maps->neighbours[hash_of(neigh) % NEIGHBOUR_SLOTS];
}

/* Reads the neighbour's address and returns the digest of both, or 0 if it has no valid
 * address. A neighbour that takes over another one's address has another digest.
 */
static u32 read(const struct neighbour *neigh, u8 *address)
{
	if (!(READ_ONCE(neigh->nud_state) & NUD_VALID & ~NUD_NOARP))
		return 0;
	neigh_ha_snapshot(address, neigh, neigh->dev);
	return jhash(address, ETH_ALEN, hash_of(neigh)) | 1;
}

/* Copies the address of an Ethernet neighbour into a lease. Returns false if there is
 * none. Called under RCU.
 */
bool ivb_neighbour_address(struct maps *maps, const struct neighbour *neigh, u8 *address)
{
	u32 *place = slot_of(maps, neigh);
	u32 digest = read(neigh, address);

	if (!digest || READ_ONCE(*place) == digest)
		return digest;
	WRITE_ONCE(*place, digest);
	/* If a change did not see this in has_changed(), the change is seen here. */
	smp_mb();
	return read(neigh, address) == digest;
}

/* True if a lease may have an outdated address of the neighbour. */
static bool has_changed(struct maps *maps, const struct neighbour *neigh)
{
	u8 address[MAX_ADDR_LEN];
	u32 *place = slot_of(maps, neigh);
	u32 digest;

	/* The neighbour was changed before this; see ivb_neighbour_address(). */
	smp_mb();
	digest = READ_ONCE(*place);
	if (!digest || digest == read(neigh, address))
		return false;
	/* Not if a new lease has already noted the new digest. */
	cmpxchg(place, digest, 0);
	return true;
}

/* Called from any context. The leases end in the next pass of fold.c, so an address
 * that flaps ends them at most once a second.
 */
static int event(struct notifier_block *block, unsigned long event, void *info)
{
	const struct neighbour *neigh = info;
	struct director *director;
	struct maps *maps;

	if (event != NETEVENT_NEIGH_UPDATE || neigh->dev->type != ARPHRD_ETHER)
		return NOTIFY_DONE;
	rcu_read_lock();
	director = ivb_director_of(dev_net(neigh->dev));
	maps = director ? rcu_dereference(director->maps) : NULL;
	if (maps && has_changed(maps, neigh))
		WRITE_ONCE(director->neighbour_changed, true);
	rcu_read_unlock();
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = event,
};

int ivb_neighbours_module_init(void)
{
	return register_netevent_notifier(&notifier);
}

void ivb_neighbours_module_exit(void)
{
	unregister_netevent_notifier(&notifier);
}
