/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path: giving leases, and folding what was counted (leases.c). */
#ifndef IP_VS_BPF_LEASES_H
#define IP_VS_BPF_LEASES_H

#include "ip_vs_bpf.h"

int fast_path_write(struct director *director, char *text);
void fast_path_show(struct director *director, struct seq_file *seq);
void lease_renew(struct session *session, struct ip_vs_conn *cp, u8 direction,
		 const struct sk_buff *skb);
void leases_end(struct session *session);
void leases_allow(struct director *director);
void leases_drain(struct director *director);
void leases_init(struct director *director);
void leases_exit(struct director *director);

/* Whether a packet that IPVS accepted earns its direction a lease. The first that
 * could does not: what is one question and one answer would have nothing of it.
 * TCP has one once it is established, so that IPVS sees everything that matters
 * to its state; SCTP has none, since its state is in its chunks.
 */
static inline bool lease_due(struct session *session,
			     const struct ip_vs_conn *cp, u8 direction)
{
	if (!READ_ONCE(session->director->gives_leases) ||
	    time_before64(get_jiffies_64(), READ_ONCE(session->lease[direction])))
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
