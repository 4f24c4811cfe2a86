/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path: giving leases, and ending them (leases.c). */
#ifndef IP_VS_BPF_LEASES_H
#define IP_VS_BPF_LEASES_H

#include <linux/jiffies.h>

#include "ip_vs_bpf.h"

/* As long as a lease lasts at most. */
#define LEASE_MAX (10 * HZ)

int fast_path_write(struct director *director, char *text);
void fast_path_show(struct director *director, struct seq_file *seq);
void lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		 const struct sk_buff *skb, u32 generation);
void leases_end(struct session *session);
void leases_allow(struct director *director);
void leases_drain(struct director *director);
void leases_revoke(struct director *director);
void leases_init(struct director *director);

/* Of a lease that is given for a packet: before anything is looked up for it. */
static inline u32 leases_generation(const struct director *director)
{
	return smp_load_acquire(&director->generation);
}

static inline bool has_lease(const struct session *session, u8 direction)
{
	const struct session_lease *lease = &session->lease[direction];

	return READ_ONCE(lease->generation) == READ_ONCE(session->director->generation) &&
	       time_before32((u32)jiffies, READ_ONCE(lease->until));
}

/* Whether a packet that IPVS accepted earns its direction a lease. The first that
 * could does not: what is one question and one answer would have nothing of it.
 * TCP has one once it is established, so that IPVS sees everything that matters
 * to its state; SCTP has none, since its state is in its chunks.
 */
static inline bool lease_due(struct session *session,
			     const struct ip_vs_conn *cp, u8 direction)
{
	if (!READ_ONCE(session->director->gives_leases) || has_lease(session, direction))
		return false;
	if (cp->protocol != IPPROTO_UDP &&
	    (cp->protocol != IPPROTO_TCP || cp->state != IP_VS_TCP_S_ESTABLISHED))
		return false;
	if (READ_ONCE(session->in_use[direction]))
		return true;
	WRITE_ONCE(session->in_use[direction], true);
	return false;
}

#endif
