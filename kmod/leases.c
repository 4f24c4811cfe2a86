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
 * A session enters the map of flows with its first lease, a direction at a time. The
 * map is a cache: where it is full, or another session has the entry, packets go on
 * through IPVS.
 *
 * Two sessions can have one original flow: a client uses its port again while its old
 * connection still ends, or two CPUs see the first datagrams of a flow at once. The
 * entry is that of the session which wrote it last. Another one may write it only when
 * the last lease there has run out and its counts are folded.
 *
 * Locking. The entries of a session are written and deleted, and their counts are
 * folded, under a lock chosen by its original flow. leased_lock has the list of
 * sessions whose counts may have grown. It comes before the lock of a flow; who has
 * that one does not take this one.
 */
#include <linux/delay.h>
#include <linux/if_arp.h>
#include <linux/string.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/neighbour.h>
#include <net/xfrm.h>

#include "entries.h"
#include "leases.h"
#include "session_table.h"

/* How long after its end a lease's counts are folded for certain. */
#define SETTLED (2 * HZ)
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

/* Of both ends, whichever way round they are: a sum is the same in any order. */
static __wsum sum_addresses(const struct flow *flow)
{
	if (flow->family == AF_INET6)
		return csum_partial(&flow->saddr, 2 * sizeof(flow->saddr), 0);
	return csum_add((__force __wsum)flow->saddr.ip, (__force __wsum)flow->daddr.ip);
}

static __wsum sum_ports(const struct flow *flow)
{
	return csum_add((__force __wsum)flow->sport, (__force __wsum)flow->dport);
}

/* What it does to the sums in a packet to turn one flow into the other. */
static void find_sums(const struct flow *from, const struct flow *to,
		      struct ipvs_bpf_lease *lease)
{
	__wsum old = sum_addresses(from);
	__wsum header = csum_sub(sum_addresses(to), old);
	__wsum transport = csum_add(header, csum_sub(sum_ports(to), sum_ports(from)));

	lease->header = ~csum_fold(csum_sub(header, (__force __wsum)htons(1 << 8)));
	lease->transport = ~csum_fold(transport);
	lease->pseudo = ~csum_fold(csum_add(old, (__force __wsum)htons(from->protocol)));
}

/* A session's flow of one direction. */
static void read_flow(const struct session *session, u8 direction, struct flow *flow)
{
	const struct ip_vs_conn *cp = session->conn;

	if (direction == IPVS_BPF_REPLY) {
		session_reply_flow(session, flow);
		return;
	}
	flow->saddr = cp->caddr;
	flow->daddr = cp->vaddr;
	flow->sport = cp->cport;
	flow->dport = cp->vport;
	flow->family = cp->af;
	flow->protocol = cp->protocol;
}

static spinlock_t *lock_of(const struct session *session)
{
	struct flow original;

	read_flow(session, IPVS_BPF_ORIGINAL, &original);
	return &session->director->flow_locks[flow_hash(&original, 0) % FLOW_LOCKS];
}

/* Under RCU and the lock. NULL: the session has no entry for that direction. */
static struct ipvs_bpf_lease *lease_of(const struct session *session, u8 direction)
{
	struct maps *maps = rcu_dereference(session->director->maps);
	struct flow flow, to;
	union entry *entry;

	read_flow(session, direction, &flow);
	entry = maps ? entry_find(maps, &flow) : NULL;
	if (!entry)
		return NULL;
	session_translate(session, session->conn, direction, &to);
	return entry_makes(entry, &to) ? entry_lease(flow.family, entry) : NULL;
}

/* As lease_of(), and makes the entry if there is none. */
static struct ipvs_bpf_lease *lease_make(struct session *session, u8 direction)
{
	struct director *director = session->director;
	struct maps *maps = rcu_dereference(director->maps);
	struct flow flow, to;
	union entry *entry;

	if (!maps)
		return NULL;
	read_flow(session, direction, &flow);
	session_translate(session, session->conn, direction, &to);
	entry = entry_find(maps, &flow);
	if (entry && entry_makes(entry, &to))
		return entry_lease(flow.family, entry);
	/* Another session's, whose counts are not folded yet. */
	if (entry && time_before64(get_jiffies_64(),
				   entry_lease(flow.family, entry)->until + SETTLED))
		return NULL;
	if (entry_write(maps, &flow, &to)) {
		count(director, COUNT_FLOWS_FULL);
		return NULL;
	}
	session->folded[direction] = 0;
	entry = entry_find(maps, &flow);
	return entry ? entry_lease(flow.family, entry) : NULL;
}

/* Under RCU and the lock. */
static void fold(struct session *session, u8 direction,
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

/* Both directions. Under RCU and the lock. */
static void fold_both(struct session *session)
{
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		struct ipvs_bpf_lease *lease;

		/* Without a lease nothing was counted. */
		if (!session->lease[direction])
			continue;
		lease = lease_of(session, direction);
		if (lease)
			fold(session, direction, lease);
	}
}

/* Under RCU and the lock. */
static void delete_entries(struct session *session)
{
	struct director *director = session->director;
	struct maps *maps = rcu_dereference(director->maps);
	struct flow flow;
	u8 direction;

	for (direction = 0; direction < 2; direction++) {
		if (!lease_of(session, direction))
			continue;
		read_flow(session, direction, &flow);
		if (entry_delete(maps, &flow))
			count(director, COUNT_DELETE_FAILED);
	}
}

/* The session ends. Under RCU, with bottom halves off. */
void leases_end(struct session *session)
{
	struct director *director = session->director;
	spinlock_t *lock = lock_of(session);

	spin_lock(lock);
	WRITE_ONCE(session->ended, true);
	if (session->had_lease) {
		fold_both(session);
		delete_entries(session);
	}
	spin_unlock(lock);
	if (!session->had_lease)
		return;
	spin_lock(&director->leased_lock);
	list_del_init(&session->leased);
	spin_unlock(&director->leased_lock);
}

static void remember(struct session *session)
{
	struct director *director = session->director;

	spin_lock_bh(&director->leased_lock);
	/* Ended meanwhile, its leases_end() has been here, or will find it. */
	if (!READ_ONCE(session->ended) && !director->ending &&
	    list_empty(&session->leased)) {
		list_add_tail(&session->leased, &director->leased);
		schedule_delayed_work(&director->fold, HZ);
	}
	spin_unlock_bh(&director->leased_lock);
}

/* For a packet of that direction, which came in as skb says and leaves by its route,
 * under RCU.
 */
void lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		 const struct sk_buff *skb)
{
	const union nf_inet_addr *daddr =
		direction == IPVS_BPF_ORIGINAL ? &cp->daddr : &cp->caddr;
	u64 until = get_jiffies_64() + min_t(unsigned long, HZ, cp->timeout / 2);
	struct ipvs_bpf_lease new = {};
	struct ipvs_bpf_lease *lease = NULL;
	spinlock_t *lock = lock_of(session);
	struct flow flow, to;

	/* What this host itself sends comes in at no interface, and what came in by
	 * IPsec has to go on doing so. A reply of a removed server passes, as in
	 * native IPVS.
	 */
	if (!skb->dev || secpath_exists(skb) || !cp->dest ||
	    !compat_dest_available(cp->dest) ||
	    !find_way(skb_dst(skb), daddr, &new))
		return;
	new.iif = skb->dev->ifindex;
	read_flow(session, direction, &flow);
	session_translate(session, cp, direction, &to);
	find_sums(&flow, &to, &new);
	spin_lock_bh(lock);
	/* Another CPU may have been first, and counts go on in what it gave. */
	if (!session->ended && !time_before64(get_jiffies_64(), session->lease[direction]))
		lease = lease_make(session, direction);
	if (lease) {
		fold(session, direction, lease);
		lease->iif = new.iif;
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
	/* Also where it is listed: it may be about to leave the list. */
	if (lease)
		remember(session);
}

/* Under leased_lock, which keeps the session and its connection. */
static void fold_listed(struct session *session)
{
	struct director *director = session->director;
	u64 now = get_jiffies_64();
	spinlock_t *lock = lock_of(session);

	spin_lock(lock);
	if (!session->ended)
		fold_both(session);
	spin_unlock(lock);
	if (time_before64(now, READ_ONCE(session->lease[IPVS_BPF_ORIGINAL])) ||
	    time_before64(now, READ_ONCE(session->lease[IPVS_BPF_REPLY])))
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

/* Under config. Leases are given while they are asked for and there is a map. */
void leases_allow(struct director *director)
{
	WRITE_ONCE(director->gives_leases,
		   director->fast_path && rcu_access_pointer(director->maps));
}

/* Under config: gives no more, and waits until the last one is over and its counts
 * are folded, which takes a second or two.
 */
void leases_drain(struct director *director)
{
	bool none;

	WRITE_ONCE(director->gives_leases, false);
	synchronize_rcu();
	do {
		flush_delayed_work(&director->fold);
		spin_lock_bh(&director->leased_lock);
		none = list_empty(&director->leased);
		spin_unlock_bh(&director->leased_lock);
		if (!none)
			msleep(50);
	} while (!none);
}

int fast_path_write(struct director *director, char *text)
{
	char *word = strim(text);

	if (!strcmp(word, "on"))
		director->fast_path = true;
	else if (!strcmp(word, "off"))
		director->fast_path = false;
	else
		return refuse(director->fast_path_error, -EINVAL, 0,
			      "expected \"on\" or \"off\"");
	/* Off, what is leased runs out within a second. */
	leases_allow(director);
	return 0;
}

void fast_path_show(struct director *director, struct seq_file *seq)
{
	seq_puts(seq, director->fast_path ? "on\n" : "off\n");
}

void leases_init(struct director *director)
{
	int i;

	for (i = 0; i < FLOW_LOCKS; i++)
		spin_lock_init(&director->flow_locks[i]);
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
