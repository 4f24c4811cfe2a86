// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path. While the lease of a direction of a session is valid, the
 * ingress program alone forwards its packets, by what the lease says of the way
 * out. Only this file gives leases, and only for a packet that IPVS accepted.
 *
 * A lease lasts LEASE_MAX, or less than half of what IPVS lets the connection idle, so
 * that IPVS sees packets of every connection that lives. All leases of a director are of
 * one generation, which the program compares; another generation ends them at once
 * (leases_revoke()). That is done when the configuration changes, here or in IPVS by the
 * CLI, by devices.c, and by fold.c, which looks once a second at what else a lease says.
 *
 * Where this host tells others of its connections (ip_vs_sync.c, a master), it does so by
 * the number of packets that IPVS sees: there a lease lasts a second. So does one of a
 * session that nobody has answered, since a lease holds a slot of the table, and two
 * forged datagrams are enough for one.
 *
 * A session enters the table of flows with its first lease, a direction at a time
 * (flow_table.c).
 *
 * Locking. A session's lock serialises what happens to its leases.
 */
#include <linux/if_arp.h>
#include <linux/ip.h>
#include <linux/string.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/neighbour.h>
#include <net/xfrm.h>

#include "flow_table.h"
#include "fold.h"
#include "leases.h"
#include "neighbours.h"
#include "session_table.h"
#include "unanswered.h"

/* What the program needs to send a packet that way; false: it cannot. */
static bool find_way(struct maps *maps, const struct dst_entry *dst,
		     const union nf_inet_addr *daddr, struct ipvs_bpf_lease *lease)
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
	valid = neighbour_address(maps, neigh, macs);
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
	__wsum pseudo, transport = csum_add(header, csum_sub(sum_ports(to), sum_ports(from)));

	lease->header = ~csum_fold(csum_sub(header, (__force __wsum)htons(1 << 8)));
	lease->transport = ~csum_fold(transport);
	pseudo = csum_add(old, (__force __wsum)htons(from->protocol));
	/* The length in the header of IPv6 is that of the pseudo-header. */
	if (from->family == AF_INET)
		pseudo = csum_sub(pseudo, (__force __wsum)htons(sizeof(struct iphdr)));
	lease->pseudo = ~csum_fold(pseudo);
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
	spin_lock(&session->lock);
	WRITE_ONCE(session->ended, true);
	if (session->had_lease)
		remove_both(session);
	spin_unlock(&session->lock);
	if (session->had_lease)
		fold_end(session);
}

static unsigned long duration(const struct session *session, const struct ip_vs_conn *cp)
{
	bool is_master = cp->ipvs->sync_state & IP_VS_STATE_MASTER;
	unsigned long most = is_master || is_unanswered(session) ? HZ : LEASE_MAX;

	return min(most, cp->timeout / 2);
}

/* For a packet of that direction, which came in as skb says and leaves by its route,
 * under RCU. generation: leases_generation() before its route was looked up; what has
 * changed since then ends the lease.
 */
void lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		 const struct sk_buff *skb, u32 generation)
{
	const union nf_inet_addr *daddr =
		direction == IPVS_BPF_ORIGINAL ? &cp->daddr : &cp->caddr;
	struct ipvs_bpf_lease new = {
		.until = get_jiffies_64() + duration(session, cp),
		.generation = generation,
	};
	struct session_lease *lease = &session->lease[direction];
	struct director *director = session->director;
	struct maps *maps = rcu_dereference(director->maps);
	struct flow from, to;
	bool given = false;

	/* A packet of this host comes in at no interface, and one that came in by
	 * IPsec has to go on doing so. A reply of a removed server passes, as in
	 * native IPVS.
	 */
	if (!maps || !skb->dev || secpath_exists(skb) || !cp->dest ||
	    !compat_dest_available(cp->dest) ||
	    !find_way(maps, skb_dst(skb), daddr, &new))
		return;
	new.iif = skb->dev->ifindex;
	read_flow(session, direction, &from);
	session_translate(session, cp, direction, &to);
	find_sums(&from, &to, &new);
	spin_lock_bh(&session->lock);
	/* Another CPU may have been first. */
	if (!session->ended && !has_lease(session, direction)) {
		given = flow_table_put(maps, session, direction, &from, &to, &new);
		if (!given)
			count(director, COUNT_FLOWS_FULL);
	}
	if (given) {
		WRITE_ONCE(lease->until, (u32)new.until);
		WRITE_ONCE(lease->generation, generation);
		session->had_lease = true;
	}
	spin_unlock_bh(&session->lock);
	/* Also where it is listed: it may be about to leave the list. */
	if (given)
		fold_begin(session);
}

/* No lease that there is now is valid any more, in whichever map. A packet that the
 * program has found a lease for goes on.
 */
void leases_revoke(struct director *director)
{
	struct maps *maps;
	u32 generation;

	rcu_read_lock();
	spin_lock_bh(&director->leased_lock);
	generation = director->generation + 1;
	if (generation == NO_GENERATION)
		generation++;
	/* Who sees it sees the reason for it. */
	smp_store_release(&director->generation, generation);
	maps = rcu_dereference(director->maps);
	if (maps)
		WRITE_ONCE(maps->of_all->generation, generation);
	spin_unlock_bh(&director->leased_lock);
	rcu_read_unlock();
}

/* Under config. Leases are given while they are asked for and there is a map. */
void leases_allow(struct director *director)
{
	WRITE_ONCE(director->gives_leases,
		   director->fast_path && rcu_access_pointer(director->maps));
}

/* Under config: ends all leases and gives no more, until all that was forwarded is
 * counted.
 */
void leases_drain(struct director *director)
{
	WRITE_ONCE(director->gives_leases, false);
	synchronize_rcu();
	leases_revoke(director);
	/* No program counts in them any more. */
	synchronize_rcu();
	fold_rest(director);
}

int fast_path_write(struct director *director, char *text)
{
	char *word = strim(text);

	if (!strcmp(word, "on"))
		director->fast_path = true;
	else if (!strcmp(word, "off"))
		director->fast_path = false;
	else if (strcmp(word, "revoke"))
		return refuse(director->fast_path_error, -EINVAL, 0,
			      "expected \"on\", \"off\" or \"revoke\"");
	leases_allow(director);
	leases_revoke(director);
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
	director->generation = NO_GENERATION + 1;
	fold_init(director);
}
