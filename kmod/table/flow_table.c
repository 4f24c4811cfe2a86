// SPDX-License-Identifier: GPL-2.0-only
/*
 * The maps flows4 and flows6 as a table of flows, which the eBPF program reads. Only
 * this file knows their layout. A flow is in any of the four slots of the set that its
 * hash selects. The table is a cache: if a set is full, the flow gets no lease.
 *
 * A slot belongs to a session until the session ends or another flow needs the slot.
 * Another flow may take it only if the lease ended so long ago that the program has
 * counted the last packet, and that count is folded. A session has the number of its
 * slot, and each slot has its owner: the session and the direction. A slot is the
 * session's only if both agree.
 *
 * Two sessions can have the same original flow: a client reuses its port while its old
 * connection is still ending, or two CPUs see the first datagrams of a flow at once. A
 * flow is in its set only once, so the second session waits until the lease of the
 * first is over.
 *
 * Locking. The slots of a set, their owners and the folded counts of their sessions are
 * protected by a lock that is chosen by the set. The session of an owner exists: a
 * session leaves its slots before it is freed. All functions are called under RCU, with
 * bottom halves off.
 */
#include <linux/jiffies.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ip_vs_bpf_hash.h"
#include "table/accounting.h"
#include "table/counters.h"
#include "table/flow_table.h"
#include "table/services.h"

/* How long after the end of a lease another flow may take its slot. */
#define SETTLED (2 * HZ)

union flow_key {
	struct ipvs_bpf_tuple4 v4;
	struct ipvs_bpf_tuple6 v6;
	u64 words[IPVS_BPF_WORDS6];
};

/* A slot of either family. */
struct slot {
	u32 *sequence;
	union flow_key *from;
	void *to; /* both ends: saddr, daddr, sport, dport */
	u32 *last;
	struct ipvs_bpf_lease *lease;
	unsigned long *owner;
	u32 number;
	u8 family;
};

static size_t key_size(u8 family)
{
	return family == AF_INET6 ? sizeof(struct ipvs_bpf_tuple6) :
				    sizeof(struct ipvs_bpf_tuple4);
}

static void make_key(const struct flow *flow, union flow_key *key)
{
	memset(key, 0, sizeof(*key));
	if (flow->family == AF_INET6) {
		memcpy(key->v6.saddr, &flow->saddr, sizeof(key->v6.saddr));
		memcpy(key->v6.daddr, &flow->daddr, sizeof(key->v6.daddr));
		key->v6.sport = flow->sport;
		key->v6.dport = flow->dport;
		key->v6.protocol = flow->protocol;
		return;
	}
	key->v4.saddr = flow->saddr.ip;
	key->v4.daddr = flow->daddr.ip;
	key->v4.sport = flow->sport;
	key->v4.dport = flow->dport;
	key->v4.protocol = flow->protocol;
}

static u32 find_set(const struct maps *maps, const struct flow *flow,
		    const union flow_key *key)
{
	return ipvs_bpf_set(&maps->hashing, key->words, key_size(flow->family) / sizeof(u64));
}

static void read_slot(const struct maps *maps, u8 family, u32 number, struct slot *slot)
{
	struct bpf_map *map = maps->flows[family_index(family)];
	u32 set = number / IPVS_BPF_SLOTS;
	u32 at = number % IPVS_BPF_SLOTS;
	void *value = map->ops->map_lookup_elem(map, &set);

	slot->owner = &maps->owners[family_index(family)][number];
	slot->number = number;
	slot->family = family;
	slot->sequence = value;
	if (family == AF_INET6) {
		struct ipvs_bpf_slot6 *six = &((struct ipvs_bpf_set6 *)value)->slot[at];

		slot->from = (union flow_key *)&six->from;
		slot->to = &six->saddr;
		slot->last = &six->last;
		slot->lease = &six->lease;
	} else {
		struct ipvs_bpf_slot4 *four = &((struct ipvs_bpf_set4 *)value)->slot[at];

		slot->from = (union flow_key *)&four->from;
		slot->to = &four->saddr;
		slot->last = &four->last;
		slot->lease = &four->lease;
	}
}

static spinlock_t *lock_of(struct director *director, u32 number)
{
	return &director->set_locks[number / IPVS_BPF_SLOTS % SET_LOCKS];
}

static unsigned long owner_of(const struct session *session, u8 direction)
{
	return (unsigned long)session | direction;
}

/* Called under the set's lock. The program ignores what it reads of the set between
 * write_begin() and write_end().
 */
static void write_begin(const struct slot *slot)
{
	WRITE_ONCE(*slot->sequence, *slot->sequence + 1);
	/* Pairs with is_whole() of the program. */
	smp_wmb();
}

static void write_end(const struct slot *slot)
{
	/* Pairs with begin() of the program. */
	smp_wmb();
	WRITE_ONCE(*slot->sequence, *slot->sequence + 1);
}

/* Adds what the program has counted since the last call to IPVS's counters. Returns
 * false if that is nothing.
 */
static bool fold(struct session *session, u8 direction, const struct slot *slot)
{
	u64 now = READ_ONCE(slot->lease->forwarded);
	u64 since = now - session->leases->folded[direction];
	u32 packets = since & (BIT(IPVS_BPF_PACKET_BITS) - 1);

	if (!since)
		return false;
	session->leases->folded[direction] = now;
	ivb_account(session->conn, direction, packets, since >> IPVS_BPF_PACKET_BITS);
	count_many(session_director(session), direction == IPVS_BPF_ORIGINAL ?
		   COUNT_FAST_ORIGINAL : COUNT_FAST_REPLY, packets);
	return true;
}

static bool is_settled(const struct slot *slot)
{
	return !time_before64(get_jiffies_64(), slot->lease->until + SETTLED);
}

/* Chooses the slot for a flow. Returns false if there is none. */
static bool choose(const struct maps *maps, const struct flow *from,
		   const union flow_key *key, u32 set, unsigned long owner,
		   struct slot *chosen)
{
	bool found = false;
	struct slot slot;
	u32 at;

	for (at = 0; at < IPVS_BPF_SLOTS; at++) {
		read_slot(maps, from->family, set * IPVS_BPF_SLOTS + at, &slot);
		if (*slot.owner == owner) {
			*chosen = slot;
			return true;
		}
		if (!memcmp(slot.from, key, key_size(from->family))) {
			*chosen = slot;
			return is_settled(&slot);
		}
		/* Prefer a slot without an owner to another flow's slot. */
		if (is_settled(&slot) && (!found || !*slot.owner)) {
			*chosen = slot;
			found = true;
		}
	}
	return found;
}

static void write_ends(const struct slot *slot, const struct flow *to)
{
	if (slot->family == AF_INET6) {
		struct ipvs_bpf_slot6 *six =
			container_of(slot->to, struct ipvs_bpf_slot6, saddr);

		memcpy(six->saddr, &to->saddr, sizeof(six->saddr));
		memcpy(six->daddr, &to->daddr, sizeof(six->daddr));
		six->sport = to->sport;
		six->dport = to->dport;
	} else {
		struct ipvs_bpf_slot4 *four =
			container_of(slot->to, struct ipvs_bpf_slot4, saddr);

		four->saddr = to->saddr.ip;
		four->daddr = to->daddr.ip;
		four->sport = to->sport;
		four->dport = to->dport;
	}
}

static void write_lease(struct ipvs_bpf_lease *lease, const struct ipvs_bpf_lease *new)
{
	lease->until = new->until;
	lease->iif = new->iif;
	lease->ifindex = new->ifindex;
	memcpy(lease->macs, new->macs, sizeof(lease->macs));
	lease->mtu = new->mtu;
	lease->header = new->header;
	lease->transport = new->transport;
	lease->pseudo = new->pseudo;
	lease->generation = new->generation;
	memcpy(lease->to, new->to, sizeof(lease->to));
	lease->xdp = new->xdp;
}

/* Takes a slot that is free or was another flow's. Its counts continue. */
static void take(struct session *session, u8 direction, const struct slot *slot)
{
	struct session *old = (void *)(*slot->owner & ~1UL);

	if (old)
		fold(old, *slot->owner & 1, slot);
	*slot->owner = owner_of(session, direction);
	session->leases->slot[direction] = slot->number;
	session->leases->folded[direction] = READ_ONCE(slot->lease->forwarded);
}

/* Gives a direction of the session a lease that translates the flow from into the flow
 * to. Returns false if the set has no room. Called under the session's lock.
 */
bool ivb_flow_table_put(const struct maps *maps, struct session *session, u8 direction,
			const struct flow *from, const struct flow *to,
			const struct ipvs_bpf_lease *lease)
{
	unsigned long owner = owner_of(session, direction);
	struct slot slot;
	union flow_key key;
	bool found;
	u32 set;

	make_key(from, &key);
	set = find_set(maps, from, &key);
	spin_lock(lock_of(session_director(session), set * IPVS_BPF_SLOTS));
	found = choose(maps, from, &key, set, owner, &slot);
	if (found) {
		write_begin(&slot);
		if (*slot.owner != owner) {
			take(session, direction, &slot);
			memcpy(slot.from, &key, key_size(from->family));
			write_ends(&slot, to);
		}
		write_lease(slot.lease, lease);
		write_end(&slot);
	}
	spin_unlock(lock_of(session_director(session), set * IPVS_BPF_SLOTS));
	return found;
}

/* Locks the set of the session's slot. Returns false if the session has no slot in
 * these maps.
 */
static bool lock_own(const struct maps *maps, const struct session *session,
		     u8 direction, struct slot *slot)
{
	u32 number = session->leases->slot[direction];
	u8 family = session->conn->af;

	if (number / IPVS_BPF_SLOTS >= maps->flows[family_index(family)]->max_entries)
		return false;
	spin_lock(lock_of(session_director(session), number));
	read_slot(maps, family, number, slot);
	if (*slot->owner == owner_of(session, direction))
		return true;
	spin_unlock(lock_of(session_director(session), number));
	return false;
}

/* Returns false if the program has forwarded nothing since the last call. last is the
 * time of the last packet, in jiffies. Called under the session's lock.
 */
bool ivb_flow_table_fold(const struct maps *maps, struct session *session, u8 direction,
			 u32 *last)
{
	struct slot slot;
	bool forwarded;

	if (!lock_own(maps, session, direction, &slot))
		return false;
	forwarded = fold(session, direction, &slot);
	*last = READ_ONCE(*slot.last);
	spin_unlock(lock_of(session_director(session), slot.number));
	return forwarded;
}

/* Ends the lease of a flow, if it has one. The slot remains its session's. */
void ivb_flow_table_end(struct director *director, const struct maps *maps,
			const struct flow *from)
{
	union flow_key key;
	struct slot slot;
	u32 number, end;

	make_key(from, &key);
	number = find_set(maps, from, &key) * IPVS_BPF_SLOTS;
	spin_lock(lock_of(director, number));
	for (end = number + IPVS_BPF_SLOTS; number < end; number++) {
		read_slot(maps, from->family, number, &slot);
		if (memcmp(slot.from, &key, key_size(from->family)))
			continue;
		write_begin(&slot);
		slot.lease->until = min(slot.lease->until, get_jiffies_64());
		write_end(&slot);
	}
	spin_unlock(lock_of(director, number - 1));
}

/* Ends a flow. The program may still be counting a last packet, so the slot is free
 * only when it has settled. Called under the session's lock.
 */
void ivb_flow_table_remove(const struct maps *maps, struct session *session, u8 direction)
{
	struct slot slot;

	if (!lock_own(maps, session, direction, &slot))
		return;
	fold(session, direction, &slot);
	write_begin(&slot);
	memset(slot.from, 0, key_size(slot.family));
	slot.lease->until = min(slot.lease->until, get_jiffies_64());
	write_end(&slot);
	*slot.owner = 0;
	session->leases->slot[direction] = NO_SLOT;
	spin_unlock(lock_of(session_director(session), slot.number));
}

/* Prepares maps for registration. The random seed hides where a flow will be. */
int ivb_flow_table_init(struct maps *maps)
{
	u32 sets = maps->flows[IPV4]->max_entries;
	u32 first = 0;
	int family;

	for (family = 0; family < FAMILIES; family++) {
		maps->owners[family] = kvcalloc(sets, IPVS_BPF_SLOTS * sizeof(long),
						GFP_KERNEL_ACCOUNT);
		if (!maps->owners[family])
			return -ENOMEM;
	}
	maps->control_value = maps->control->ops->map_lookup_elem(maps->control, &first);
	maps->hashing.seed = get_random_u64();
	maps->hashing.sets = sets;
	maps->control_value->seed = maps->hashing.seed;
	/* The program finds no flow before this. */
	WRITE_ONCE(maps->control_value->sets, sets);
	return 0;
}

void ivb_flow_table_exit(struct maps *maps)
{
	int family;

	for (family = 0; family < FAMILIES; family++)
		kvfree(maps->owners[family]);
}
