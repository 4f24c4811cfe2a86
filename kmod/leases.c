// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path. While the lease of a direction of a session is valid, the
 * ingress program alone forwards its packets, by what the lease says of the way
 * out. Only this file gives leases, and only for a packet that IPVS accepted:
 * one for a second, so that a packet a second refreshes IPVS's timers, and where
 * IPVS refuses (the server is removed, the connection expired), or the route or
 * the neighbour changed, the fast path ends within that second by itself.
 *
 * The program counts what it forwards in the lease, and the module folds the
 * counts into IPVS's counters: with each renewal, each second while leases are
 * valid and once after, and at the session's end.
 *
 * Locking. An entry's lease is written, and its counts are folded, under the
 * lock of the session's original tuple (originals.c), as the entry is deleted.
 * leased_lock has the list of sessions whose counts may have grown. It comes
 * before the lock of a tuple; who has that one does not take this one.
 */
#include <linux/delay.h>
#include <linux/if_arp.h>
#include <linux/string.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/neighbour.h>

#include "leases.h"

/* How many sessions are folded before others may have the lock. */
#define FOLD_BATCH 64

/* What the program needs to send a packet that way; false: it cannot. */
static bool find_way(const struct dst_entry *dst, const union nf_inet_addr *daddr,
		     struct ipvs_bpf_lease *lease)
{
	struct net_device *dev = dst->dev;
	struct neighbour *neigh;
	u8 *macs = (u8 *)lease->macs;
	bool valid;

	if (dev->type != ARPHRD_ETHER || dev->addr_len != ETH_ALEN ||
	    dst->lwtstate || netif_is_l3_master(dev))
		return false;
#ifdef CONFIG_XFRM
	if (dst->xfrm)
		return false;
#endif
	neigh = dst_neigh_lookup(dst, daddr);
	if (IS_ERR_OR_NULL(neigh))
		return false;
	valid = READ_ONCE(neigh->nud_state) & NUD_VALID & ~NUD_NOARP;
	neigh_ha_snapshot(macs, neigh, dev);
	neigh_release(neigh);
	memcpy(macs + ETH_ALEN, dev->dev_addr, ETH_ALEN);
	lease->ifindex = dev->ifindex;
	lease->mtu = min_t(u32, dst_mtu(dst), U16_MAX);
	return valid;
}

/* What it does to the sums in a packet to turn one tuple into the other, whichever
 * way round its ends are: a sum is the same in any order. In a tuple, the ports
 * come after the addresses.
 */
static void find_sums(u8 family, u8 protocol, const union tuple *from,
		      const union tuple *to, struct ipvs_bpf_lease *lease)
{
	int addresses = family == AF_INET6 ?
			offsetof(struct ipvs_bpf_tuple6, sport) :
			offsetof(struct ipvs_bpf_tuple4, sport);
	int ends = addresses + 2 * sizeof(__be16);
	__wsum old = csum_partial(from, addresses, 0);
	__wsum header = csum_sub(csum_partial(to, addresses, 0), old);
	__wsum transport = csum_sub(csum_partial(to, ends, 0),
				    csum_partial(from, ends, 0));

	lease->header = ~csum_fold(csum_sub(header, (__force __wsum)htons(1 << 8)));
	lease->transport = ~csum_fold(transport);
	lease->pseudo = ~csum_fold(csum_add(old, (__force __wsum)htons(protocol)));
}

/* Under RCU and the lock of the original tuple. */
static struct ipvs_bpf_lease *lease_of(const struct maps *maps, u8 family,
				       u8 direction,
				       const union tuple *original,
				       const union tuple *reply)
{
	const union tuple *key = direction == IPVS_BPF_ORIGINAL ? original : reply;
	union entry *entry = entry_lookup(maps, family, key);

	if (!entry)
		return NULL;
	/* That of the original tuple may be another session's. */
	if (direction == IPVS_BPF_ORIGINAL && !entry_makes(family, entry, reply))
		return NULL;
	return entry_lease(family, entry);
}

/* Under RCU and the lock of the original tuple. */
void lease_fold(struct session *session, u8 direction,
		const struct ipvs_bpf_lease *lease)
{
	u64 now = READ_ONCE(lease->forwarded);
	u64 since = now - session->folded[direction];
	u32 packets = since & (BIT(IPVS_BPF_PACKET_BITS) - 1);
	u64 bytes = since >> IPVS_BPF_PACKET_BITS;

	if (!since)
		return;
	session->folded[direction] = now;
	account(session->conn, direction, packets, bytes);
	count_many(session->director, direction == IPVS_BPF_ORIGINAL ?
		   COUNT_FAST_ORIGINAL : COUNT_FAST_REPLY, packets);
}

/* Both directions. Under RCU and the lock of the original tuple. */
void leases_fold(struct session *session, struct maps *maps, u8 family,
		 const union tuple *original, const union tuple *reply)
{
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		struct ipvs_bpf_lease *lease;

		/* Without a lease nothing was counted. */
		if (!session->lease[direction])
			continue;
		lease = lease_of(maps, family, direction, original, reply);
		if (lease)
			lease_fold(session, direction, lease);
	}
}

/* The session has ended: it is folded no more. */
void leases_forget(struct session *session)
{
	struct director *director = session->director;

	if (!session->had_lease)
		return;
	spin_lock_bh(&director->leased_lock);
	list_del_init(&session->leased);
	spin_unlock_bh(&director->leased_lock);
}

static void remember(struct session *session)
{
	struct director *director = session->director;

	spin_lock_bh(&director->leased_lock);
	/* Ended meanwhile, its leases_forget() has been, or will find it here. */
	if (!READ_ONCE(session->ended) && !director->ending &&
	    list_empty(&session->leased)) {
		list_add_tail(&session->leased, &director->leased);
		schedule_delayed_work(&director->fold, HZ);
	}
	spin_unlock_bh(&director->leased_lock);
}

/* For a packet of that direction, which leaves by dst, under RCU. */
void lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		 const struct dst_entry *dst, const union nf_inet_addr *daddr)
{
	struct director *director = session->director;
	struct maps *maps = rcu_dereference(director->maps);
	u64 until = get_jiffies_64() + min_t(unsigned long, HZ, cp->timeout / 2);
	union tuple original, reply;
	struct ipvs_bpf_lease *lease;
	struct ipvs_bpf_lease new = {};
	spinlock_t *lock;

	/* While other maps take over, programs of both kinds may be attached, and
	 * would count in different places. A reply of a removed server passes, as
	 * in native IPVS.
	 */
	if (rcu_access_pointer(maps->next) || !cp->dest ||
	    !compat_dest_available(cp->dest) || !find_way(dst, daddr, &new))
		return;
	tuple_original(cp, &original);
	tuple_reply(cp, session->local_ip, session->local_port, &reply);
	if (direction == IPVS_BPF_ORIGINAL)
		find_sums(cp->af, cp->protocol, &original, &reply, &new);
	else
		find_sums(cp->af, cp->protocol, &reply, &original, &new);
	lock = original_lock(director, cp->af, &original);
	spin_lock_bh(lock);
	lease = session->ended ? NULL : lease_of(maps, cp->af, direction, &original,
						 &reply);
	if (lease) {
		lease_fold(session, direction, lease);
		lease->ifindex = new.ifindex;
		memcpy(lease->macs, new.macs, sizeof(lease->macs));
		lease->mtu = new.mtu;
		lease->header = new.header;
		lease->transport = new.transport;
		lease->pseudo = new.pseudo;
		/* The old lease has run out, so no program looks at these but
		 * one that began before; it sends one packet the old way, the
		 * new one, or to nobody.
		 */
		smp_wmb();
		WRITE_ONCE(lease->until, until);
		WRITE_ONCE(session->lease[direction], until);
		session->had_lease = true;
	}
	spin_unlock_bh(lock);
	if (lease && list_empty_careful(&session->leased))
		remember(session);
}

/* Under leased_lock, which keeps the session and its connection. */
static void fold_listed(struct session *session)
{
	const struct ip_vs_conn *cp = session->conn;
	struct director *director = session->director;
	struct maps *maps = rcu_dereference(director->maps);
	union tuple original, reply;
	u64 now = get_jiffies_64();
	spinlock_t *lock;

	tuple_original(cp, &original);
	tuple_reply(cp, session->local_ip, session->local_port, &reply);
	lock = original_lock(director, cp->af, &original);
	spin_lock(lock);
	if (!session->ended)
		leases_fold(session, maps, cp->af, &original, &reply);
	spin_unlock(lock);
	if (time_before64(now, session->lease[IPVS_BPF_ORIGINAL]) ||
	    time_before64(now, session->lease[IPVS_BPF_REPLY]))
		list_move_tail(&session->leased, &director->leased);
	else
		list_del_init(&session->leased);
}

static void fold_work(struct work_struct *work)
{
	struct director *director = container_of(to_delayed_work(work),
						 struct director, fold);
	LIST_HEAD(due);

	rcu_read_lock();
	spin_lock_bh(&director->leased_lock);
	list_splice_init(&director->leased, &due);
	while (!list_empty(&due)) {
		unsigned int count;

		for (count = 0; count < FOLD_BATCH && !list_empty(&due); count++)
			fold_listed(list_first_entry(&due, struct session, leased));
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

/* From process context, while none is given: waits until the last one is over and
 * its counts are folded.
 */
int leases_drain(struct director *director)
{
	int try;

	for (try = 0; try < 50; try++) {
		bool none;

		flush_delayed_work(&director->fold);
		spin_lock_bh(&director->leased_lock);
		none = list_empty(&director->leased);
		spin_unlock_bh(&director->leased_lock);
		if (none)
			return 0;
		msleep(100);
	}
	return -EBUSY;
}

int fast_path_write(struct director *director, char *text)
{
	char *word = strim(text);

	if (!strcmp(word, "on"))
		WRITE_ONCE(director->fast_path, true);
	else if (!strcmp(word, "off"))
		/* What is leased runs out within a second. */
		WRITE_ONCE(director->fast_path, false);
	else
		return refuse(director->fast_path_error, -EINVAL, 0,
			      "expected \"on\" or \"off\"");
	return 0;
}

void fast_path_show(struct director *director, struct seq_file *seq)
{
	seq_puts(seq, director->fast_path ? "on\n" : "off\n");
}

void leases_init(struct director *director)
{
	spin_lock_init(&director->leased_lock);
	INIT_LIST_HEAD(&director->leased);
	INIT_DELAYED_WORK(&director->fold, fold_work);
}

/* The namespace ends. What is still listed is folded as it ends. */
void leases_exit(struct director *director)
{
	spin_lock_bh(&director->leased_lock);
	director->ending = true;
	spin_unlock_bh(&director->leased_lock);
	cancel_delayed_work_sync(&director->fold);
}
