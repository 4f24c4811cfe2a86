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
 * A session enters the table of flows with its first lease, a direction at a time
 * (flow_table.c).
 *
 * Locking. A session's lock serialises what happens to its leases. leased_lock has the
 * list of sessions whose counts may have grown. It comes before the lock of a session;
 * who has that one does not take this one.
 */
#include <linux/delay.h>
#include <linux/if_arp.h>
#include <linux/string.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/neighbour.h>
#include <net/xfrm.h>

#include "flow_table.h"
#include "leases.h"
#include "session_table.h"

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

/* The sum of both ends, whichever way round they are: it is the same in any order. */
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

/* Finds how the sums in a packet change when one flow becomes the other. */
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

/* Both directions. Under RCU and the lock. */
static void fold_both(struct session *session)
{
	struct maps *maps = rcu_dereference(session->director->maps);
	u8 direction;

	for (direction = 0; maps && direction < 2; direction++)
		flow_table_fold(maps, session, direction);
}

/* Under RCU and the lock. */
static void remove_both(struct session *session)
{
	struct maps *maps = rcu_dereference(session->director->maps);
	u8 direction;

	for (direction = 0; maps && direction < 2; direction++)
		flow_table_remove(maps, session, direction);
}

/* The session ends. Under RCU, with bottom halves off. */
void leases_end(struct session *session)
{
	struct director *director = session->director;

	spin_lock(&session->lock);
	WRITE_ONCE(session->ended, true);
	if (session->had_lease)
		remove_both(session);
	spin_unlock(&session->lock);
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
	struct ipvs_bpf_lease new = { .until = until };
	struct director *director = session->director;
	struct flow from, to;
	struct maps *maps;
	bool given = false;

	/* A packet of this host comes in at no interface, and one that came in by
	 * IPsec has to go on doing so. A reply of a removed server passes, as in
	 * native IPVS.
	 */
	if (!skb->dev || secpath_exists(skb) || !cp->dest ||
	    !compat_dest_available(cp->dest) ||
	    !find_way(skb_dst(skb), daddr, &new))
		return;
	new.iif = skb->dev->ifindex;
	read_flow(session, direction, &from);
	session_translate(session, cp, direction, &to);
	find_sums(&from, &to, &new);
	spin_lock_bh(&session->lock);
	maps = rcu_dereference(director->maps);
	/* Another CPU may have been first. */
	if (maps && !session->ended &&
	    !time_before64(get_jiffies_64(), session->lease[direction])) {
		given = flow_table_put(maps, session, direction, &from, &to, &new);
		if (!given)
			count(director, COUNT_FLOWS_FULL);
	}
	if (given) {
		WRITE_ONCE(session->lease[direction], until);
		session->had_lease = true;
	}
	spin_unlock_bh(&session->lock);
	/* Also where it is listed: it may be about to leave the list. */
	if (given)
		remember(session);
}

/* Under leased_lock, which keeps the session and its connection. */
static void fold_listed(struct session *session)
{
	struct director *director = session->director;
	u64 now = get_jiffies_64();

	spin_lock(&session->lock);
	if (!session->ended)
		fold_both(session);
	spin_unlock(&session->lock);
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

	for (i = 0; i < SET_LOCKS; i++)
		spin_lock_init(&director->set_locks[i]);
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
