// SPDX-License-Identifier: GPL-2.0-only
/*
 * The neighbours that leases send to. A lease has a copy of the neighbour's link-layer
 * address, so another address, or none, ends it.
 *
 * The kernel tells of each change of a neighbour's state, most of which mean nothing
 * here (reachable, stale, probed). So a digest of the address is noted when it goes into
 * a lease, in a table of fixed size, by the neighbour's place there, and what is told is
 * compared with that. Two neighbours may share a place: then one of them looks changed
 * that is not, and leases are given anew; one that changed is never missed.
 */
#include <linux/if_arp.h>
#include <linux/jhash.h>
#include <net/neighbour.h>
#include <net/netevent.h>

#include "neighbours.h"

static u32 *place_of(struct maps *maps, const struct neighbour *neigh)
{
	u32 hash = jhash(neigh->primary_key, neigh->tbl->key_len, neigh->dev->ifindex);

	return &maps->neighbours[hash % NEIGHBOUR_PLACES];
}

/* A digest of the neighbour's address, and the address; 0: it has none that is good. */
static u32 read(const struct neighbour *neigh, u8 *address)
{
	if (!(READ_ONCE(neigh->nud_state) & NUD_VALID & ~NUD_NOARP))
		return 0;
	neigh_ha_snapshot(address, neigh, neigh->dev);
	return jhash(address, ETH_ALEN, 0) | 1;
}

/* Copies the address of an Ethernet neighbour into a lease. false: there is none. Under
 * RCU.
 */
bool neighbour_address(struct maps *maps, const struct neighbour *neigh, u8 *address)
{
	u32 *place = place_of(maps, neigh);
	u32 digest = read(neigh, address);

	if (!digest || READ_ONCE(*place) == digest)
		return digest;
	WRITE_ONCE(*place, digest);
	/* A change that did not see this in has_changed() is seen here. */
	smp_mb();
	return read(neigh, address) == digest;
}

/* True if a lease may have another address of the neighbour. */
static bool has_changed(struct maps *maps, const struct neighbour *neigh)
{
	u8 address[MAX_ADDR_LEN];
	u32 *place = place_of(maps, neigh);
	u32 digest;

	/* The neighbour was changed before; see neighbour_address(). */
	smp_mb();
	digest = READ_ONCE(*place);
	if (!digest || digest == read(neigh, address))
		return false;
	/* Unless a new lease has noted the new one already. */
	cmpxchg(place, digest, 0);
	return true;
}

/* From any context. The leases end with the next look of fold.c, so that an address that
 * goes to and fro ends them once a second at most.
 */
static int event(struct notifier_block *block, unsigned long event, void *info)
{
	const struct neighbour *neigh = info;
	struct director *director;
	struct maps *maps;

	if (event != NETEVENT_NEIGH_UPDATE || neigh->dev->type != ARPHRD_ETHER)
		return NOTIFY_DONE;
	rcu_read_lock();
	director = director_of(dev_net(neigh->dev));
	maps = director ? rcu_dereference(director->maps) : NULL;
	if (maps && has_changed(maps, neigh))
		WRITE_ONCE(director->neighbour_changed, true);
	rcu_read_unlock();
	return NOTIFY_DONE;
}

static struct notifier_block notifier = {
	.notifier_call = event,
};

int neighbours_module_init(void)
{
	return register_netevent_notifier(&notifier);
}

void neighbours_module_exit(void)
{
	unregister_netevent_notifier(&notifier);
}
