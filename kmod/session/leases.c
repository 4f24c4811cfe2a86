// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fast path. While the lease of a direction of a session is valid, the ingress
 * program alone forwards its packets, by the way out in the lease. Only this file gives
 * leases, and only for a packet that IPVS accepted.
 *
 * A lease lasts LEASE_MAX, or half of IPVS's idle timeout of the connection, so that IPVS
 * sees packets of every active connection. IPVS learns of a packet on the fast path up to
 * two seconds later (fold.c), which must be before the connection ends: so there is no
 * lease if the timeout is less than TIMEOUT_MIN. A lease ends when the client begins another
 * TCP connection from the same port (ivb_lease_end_old()).
 *
 * All leases of a director have one generation, which the program compares; a new
 * generation ends them at once (ivb_leases_revoke()). This happens when the
 * configuration changes, here or in IPVS by the CLI, in devices.c, and in fold.c, which
 * checks once a second whatever else a lease depends on.
 *
 * A host that sends its connections to other directors (ip_vs_sync.c, a master) does so
 * by the number of packets that IPVS sees: there a lease lasts a second. The same holds
 * for a session that is not answered yet, because a lease holds a slot of the table,
 * and two forged datagrams are enough for one.
 *
 * A session enters the table of flows with its first lease, one direction at a time
 * (flow_table.c).
 *
 * Locking. session_lock() serializes all changes of a session's leases. Nobody holds it
 * for two sessions at once.
 */
#include <linux/if_arp.h>
#include <linux/ip.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/checksum.h>
#include <net/dst.h>
#include <net/neighbour.h>
#include <net/xfrm.h>

#include "session/fold.h"
#include "session/leases.h"
#include "session/neighbours.h"
#include "session/unanswered.h"
#include "session/xdp.h"
#include "table/counters.h"
#include "table/flow_table.h"

/* Twice the two seconds of fold.c, and a second more for the work item to be late. */
#define TIMEOUT_MIN (5 * HZ)

/* Finds what the program needs to send a packet that way. Returns false if it cannot.
 */
static bool find_way_out(struct maps *maps, const struct dst_entry *dst,
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
	valid = ivb_neighbour_address(maps, neigh, macs);
	neigh_release(neigh);
	memcpy(macs + ETH_ALEN, dev->dev_addr, ETH_ALEN);
	lease->ifindex = dev->ifindex;
	lease->mtu = min_t(u32, dst_mtu(dst), U16_MAX);
	return valid;
}

/* The sum of both addresses. It is the same in any order. */
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

/* The sum in 16 bits, which csum_fold() also complements. */
static u16 in_16_bits(__wsum sum)
{
	return ~(__force u16)csum_fold(sum);
}

/* Finds how the sums in a packet change when one flow becomes the other. */
static void find_sums(const struct flow *from, const struct flow *to,
		      struct ipvs_bpf_lease *lease)
{
	__wsum old = sum_addresses(from);
	__wsum header = csum_sub(sum_addresses(to), old);
	__wsum ports = csum_sub(sum_ports(to), sum_ports(from));
	__wsum pseudo, transport = csum_add(header, ports);

	lease->header = in_16_bits(csum_sub(header, (__force __wsum)htons(1 << 8)));
	lease->transport = in_16_bits(transport);
	pseudo = csum_add(old, (__force __wsum)htons(from->protocol));
	/* The length in the IPv6 header is also that of the pseudo-header. */
	if (from->family == AF_INET)
		pseudo = csum_sub(pseudo, (__force __wsum)htons(sizeof(struct iphdr)));
	lease->pseudo = in_16_bits(pseudo);
}

/* The incoming flow of one direction of a session. */
static void read_flow(const struct session *session, u8 direction, struct flow *flow)
{
	const struct ip_vs_conn *cp = session->conn;

	if (direction == IPVS_BPF_REPLY) {
		ivb_session_reply_flow(session, flow);
		return;
	}
	flow->saddr = cp->caddr;
	flow->daddr = cp->vaddr;
	flow->sport = cp->cport;
	flow->dport = cp->vport;
	flow->family = cp->af;
	flow->protocol = cp->protocol;
}

/* Called under RCU and the session's lock. */
static void remove_both(struct session *session)
{
	struct maps *maps = rcu_dereference(session_director(session)->maps);
	u8 direction;

	for (direction = 0; maps && direction < 2; direction++)
		ivb_flow_table_remove(maps, session, direction);
}

/* Called when the session ends, under RCU, with bottom halves off. */
void ivb_leases_end(struct session *session)
{
	spin_lock(session_lock(session));
	WRITE_ONCE(session->ended, true);
	if (session->leases)
		remove_both(session);
	spin_unlock(session_lock(session));
	if (session->leases)
		ivb_fold_end(session);
}

/* Takes all leases from a session that goes on. Called under RCU. */
void ivb_leases_take(struct session *session)
{
	u8 direction;

	spin_lock_bh(session_lock(session));
	if (session->leases)
		remove_both(session);
	for (direction = 0; session->leases && direction < 2; direction++)
		WRITE_ONCE(session->leases->lease[direction].generation, NO_GENERATION);
	spin_unlock_bh(session_lock(session));
}

/* Ends the lease that an older TCP connection of the same client, port and service may
 * have. IPVS begins a new connection when a SYN comes and the old connection is in
 * TIME_WAIT or CLOSE, or its server is removed. The old connection ends only with the
 * next tick, and until then its lease would send the new one's packets from the wrong
 * local port. It gets no other lease, see lease_due() and ivb_lease_renew(). Called
 * under RCU, with bottom halves off, before anybody can see the new session.
 */
void ivb_lease_end_old(const struct session *session)
{
	const struct maps *maps = rcu_dereference(session_director(session)->maps);
	struct flow flow;

	if (!maps || !READ_ONCE(session_director(session)->gives_leases))
		return;
	read_flow(session, IPVS_BPF_ORIGINAL, &flow);
	ivb_flow_table_end(session_director(session), maps, &flow);
}

static unsigned long duration(const struct session *session, const struct ip_vs_conn *cp)
{
	bool is_master = cp->ipvs->sync_state & IP_VS_STATE_MASTER;
	unsigned long most = is_master || is_unanswered(session) ? HZ : LEASE_MAX;

	return min(most, cp->timeout / 2);
}

/* Under the session's lock. Returns NULL if there is no memory. */
static struct session_leases *leases_of(struct session *session)
{
	struct session_leases *leases = session->leases;

	if (leases)
		return leases;
	leases = kzalloc(sizeof(*leases), GFP_ATOMIC);
	if (!leases)
		return NULL;
	leases->session = session;
	INIT_LIST_HEAD(&leases->leased);
	leases->slot[IPVS_BPF_ORIGINAL] = NO_SLOT;
	leases->slot[IPVS_BPF_REPLY] = NO_SLOT;
	/* Pairs with READ_ONCE() in has_lease(). */
	smp_store_release(&session->leases, leases);
	return leases;
}

/* Called under the session's lock. Returns false if there is no lease to give. */
static bool give(const struct maps *maps, struct session *session, u8 direction,
		 const struct flow *from, const struct flow *to,
		 const struct ipvs_bpf_lease *new)
{
	struct session_leases *leases;

	/* Another CPU may have given it first. */
	if (session->ended || toa_is_telling(session) || has_lease(session, direction))
		return false;
	leases = leases_of(session);
	if (!leases) {
		count(session_director(session), COUNT_FLOWS_NO_MEMORY);
		return false;
	}
	if (!ivb_flow_table_put(maps, session, direction, from, to, new)) {
		count(session_director(session), COUNT_FLOWS_FULL);
		return false;
	}
	WRITE_ONCE(leases->lease[direction].until, (u32)new->until);
	WRITE_ONCE(leases->lease[direction].xdp_in, new->xdp ? new->iif : 0);
	WRITE_ONCE(leases->lease[direction].generation, new->generation);
	return true;
}

/* Gives or renews a lease for a packet of that direction, which came in as skb says and
 * leaves by its route. Called under RCU. generation is leases_generation() from before
 * the route was looked up: what has changed since then ends the lease.
 */
void ivb_lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		     const struct sk_buff *skb, u32 generation)
{
	const union nf_inet_addr *daddr =
		direction == IPVS_BPF_ORIGINAL ? &cp->daddr : &cp->caddr;
	struct ipvs_bpf_lease new = {
		.until = get_jiffies_64() + duration(session, cp),
		.generation = generation,
	};
	struct director *director = session_director(session);
	struct maps *maps = rcu_dereference(director->maps);
	const struct ip_vs_dest *dest = READ_ONCE(cp->dest);
	struct flow from, to;
	bool given;

	if (cp->timeout < TIMEOUT_MIN)
		return;
	/* A packet that this host sent came in by no interface; that of a VRF has the VRF
	 * as its device. A packet that came in by IPsec must continue to do so. A reply of
	 * a removed server passes, as in native IPVS.
	 */
	if (!maps || !skb->skb_iif || secpath_exists(skb) || !dest ||
	    !compat_dest_available(dest) ||
	    !find_way_out(maps, skb_dst(skb), daddr, &new))
		return;
	new.iif = skb->dev->ifindex;
	ivb_xdp_way(director, skb->dev, skb_dst(skb)->dev, &new);
	read_flow(session, direction, &from);
	session_translate(session, cp, direction, &to);
	find_sums(&from, &to, &new);
	spin_lock_bh(session_lock(session));
	given = give(maps, session, direction, &from, &to, &new);
	spin_unlock_bh(session_lock(session));
	/* Also if it is listed: it may be about to leave the list. */
	if (given)
		ivb_fold_begin(session);
}

/* Called under config. Leases are given if they are requested and there are maps. */
void ivb_leases_allow(struct director *director)
{
	WRITE_ONCE(director->gives_leases,
		   director->fast_path && rcu_access_pointer(director->maps));
}

/* Called under config. Ends all leases and gives no more. Returns when everything that
 * was forwarded is counted.
 */
void ivb_leases_drain(struct director *director)
{
	WRITE_ONCE(director->gives_leases, false);
	synchronize_rcu();
	ivb_leases_revoke(director);
	/* After this, no program counts in the leases. */
	synchronize_rcu();
	ivb_fold_rest(director);
}

void ivb_leases_init(struct director *director)
{
	int i;

	for (i = 0; i < SET_LOCKS; i++)
		spin_lock_init(&director->set_locks[i]);
	for (i = 0; i < ARRAY_SIZE(director->session_locks); i++)
		spin_lock_init(&director->session_locks[i]);
	spin_lock_init(&director->ports_lock);
	director->generation = NO_GENERATION + 1;
	ivb_fold_init(director);
}
