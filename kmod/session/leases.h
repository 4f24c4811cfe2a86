/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path: giving leases, and ending them (leases.c, generation.c). */
#ifndef IP_VS_BPF_LEASES_H
#define IP_VS_BPF_LEASES_H

#include <linux/hash.h>
#include <linux/jiffies.h>

#include "table/director.h"
#include "table/services.h"

/* The longest duration of a lease. */
#define LEASE_MAX (10 * HZ)

void ivb_lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		     const struct sk_buff *skb, u32 generation);
void ivb_leases_end(struct session *session);
void ivb_leases_take(struct session *session);
void ivb_lease_end_old(const struct session *session);
void ivb_leases_allow(struct director *director);
void ivb_leases_drain(struct director *director);
void ivb_leases_revoke(struct director *director);
void ivb_leases_init(struct director *director);

/* The lock of a session's leases and of its answer, which it shares with other sessions. */
static inline spinlock_t *session_lock(const struct session *session)
{
	struct director *director = session_director(session);

	return &director->session_locks[hash_ptr(session, SESSION_LOCK_BITS)];
}

/* The generation of a lease that is given for a packet. Read it before anything is
 * looked up for the packet.
 */
static inline u32 leases_generation(const struct director *director)
{
	/* Pairs with the release in generation.c. */
	return smp_load_acquire(&director->generation);
}

static inline bool has_lease(const struct session *session, u8 direction)
{
	const struct session_leases *leases = READ_ONCE(session->leases);
	const struct session_lease *lease = &leases->lease[direction];
	u32 generation = READ_ONCE(session_director(session)->generation);

	return leases && READ_ONCE(lease->generation) == generation &&
	       time_before32((u32)jiffies, READ_ONCE(lease->until));
}

/* True if a packet that IPVS accepted earns its direction a lease. One question and one
 * answer would gain nothing from it. So UDP gets it with its second packet, and TCP with
 * the fourth one in ESTABLISHED: the first three end the handshake, ask, and acknowledge
 * the answer. IPVS sees everything that matters to the state of TCP. SCTP gets no lease,
 * because its state is in its chunks.
 */
static inline bool lease_due(struct session *session,
			     const struct ip_vs_conn *cp, u8 direction)
{
	u8 packets, needed = cp->protocol == IPPROTO_UDP ? 2 : 4;

	if (!READ_ONCE(session_director(session)->gives_leases) || has_lease(session, direction))
		return false;
	if (cp->protocol != IPPROTO_UDP &&
	    (cp->protocol != IPPROTO_TCP || cp->state != IP_VS_TCP_S_ESTABLISHED))
		return false;
	packets = READ_ONCE(session->packets[direction]) + 1;
	if (packets >= needed)
		return !toa_is_telling(session);
	WRITE_ONCE(session->packets[direction], packets);
	return false;
}

#endif
