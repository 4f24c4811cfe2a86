// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sessions that are not answered yet. They cost a client one packet, whose source
 * may be forged. So they have a short timeout (/proc/net/ip_vs_bpf/unanswered), and
 * give way, oldest first, when no port that a new session tries is free (local_ports.c).
 *
 * A session is answered
 *
 * - UDP: by the server's first packet;
 * - TCP: when the client acknowledges the server's SYN, whose number a forger never
 *   saw. IPVS's state is not enough: IPVS checks no number, so a blind ACK
 *   establishes a connection. Also by the server's first segment with data or a FIN:
 *   a server sends these only after the handshake, or after it has checked the client
 *   in another way (TCP Fast Open). A segment with neither may be a challenge to a
 *   forged segment (RFC 5961), except on a connection without a SYN, which another
 *   director began (sloppy_tcp);
 * - SCTP: when the association is established and the server has sent something;
 * - if another director said so: the session comes from IPVS's sync daemon.
 *
 * session_lock() decides the fate of a session: answered, ended or given up.
 */
#include <linux/tcp.h>

#include "session/leases.h"
#include "session/unanswered.h"
#include "table/services.h"

/* A server may send this much before its SYN is acknowledged (TCP Fast Open). A blind
 * guess succeeds once in 2^32 / UNACKNOWLEDGED_MAX.
 */
#define UNACKNOWLEDGED_MAX (128 * 1024)

/* The default limits in seconds, of TCP, UDP and SCTP. */
static const u32 limits[UNANSWERED_PROTOCOLS] = { 10, 30, 10 };

/* Called when the session is complete: from now on it may be given up, although IPVS may
 * not have hashed its connection yet.
 */
void ivb_unanswered_begin(struct session *session)
{
	bool is_synced = session->conn->flags & IP_VS_CONN_F_SYNC;

	session->begun = jiffies;
	/* Pairs with ivb_unanswered_is_older(). */
	smp_store_release(&session->answer,
			  is_synced ? SESSION_ANSWERED : SESSION_UNANSWERED);
}

/* Returns false if it is decided already. */
static bool decide(struct session *session, enum session_answer answer)
{
	bool is_open;

	spin_lock_bh(session_lock(session));
	is_open = session->answer == SESSION_UNANSWERED;
	if (is_open)
		WRITE_ONCE(session->answer, answer);
	spin_unlock_bh(session_lock(session));
	return is_open;
}

/* Called when the connection ends. Returns false if the session was given up before and
 * has nothing left in the maps.
 */
bool ivb_unanswered_end(struct session *session)
{
	if (is_unanswered(session))
		decide(session, SESSION_ANSWERED);
	return !is_given_up(session);
}

/* True if the session may give way, and is older than the other one, which may be NULL.
 * Called under RCU. A session that ends meanwhile has any age, and cannot be given up.
 */
bool ivb_unanswered_is_older(const struct session *session, const struct session *other)
{
	/* Pairs with ivb_unanswered_begin(). */
	if (smp_load_acquire(&session->answer) != SESSION_UNANSWERED)
		return false;
	return !other || time_before32(READ_ONCE(session->begun), READ_ONCE(other->begun));
}

/* Returns false if the session is answered, has ended or was given up by another CPU. */
bool ivb_unanswered_give_up(struct session *session)
{
	return decide(session, SESSION_GIVEN_UP);
}

static const struct tcphdr *tcp_header(const struct sk_buff *skb, int transport,
				       struct tcphdr *buffer)
{
	return skb_header_pointer(skb, transport, sizeof(*buffer), buffer);
}

/* True if the client's segment acknowledges the server's SYN. Notes a SYN. */
static bool acknowledges(struct session *session, const struct sk_buff *skb,
			 int transport)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = tcp_header(skb, transport, &buffer);

	if (tcp && tcp->syn)
		WRITE_ONCE(session->syn, true);
	/* Pairs with follows_handshake(). */
	return tcp && tcp->ack && !tcp->rst && smp_load_acquire(&session->server_syn) &&
	       ntohl(tcp->ack_seq) - READ_ONCE(session->conn->out_seq.init_seq) <
		       UNACKNOWLEDGED_MAX;
}

/* Called for a segment of the client. */
void ivb_unanswered_segment(struct session *session, struct ip_vs_conn *cp,
			    const struct sk_buff *skb, int transport)
{
	if (acknowledges(session, skb, transport))
		decide(session, SESSION_ANSWERED);
	else
		unanswered_bound(session, cp);
}

/* True if the server's segment can only follow a handshake. Notes the number of a SYN.
 */
static bool follows_handshake(struct session *session, const struct sk_buff *skb,
			      int transport)
{
	struct tcphdr buffer;
	const struct tcphdr *tcp = tcp_header(skb, transport, &buffer);

	if (!tcp || tcp->rst)
		return false;
	if (tcp->syn) {
		WRITE_ONCE(session->conn->out_seq.init_seq, ntohl(tcp->seq) + 1);
		/* Pairs with acknowledges(). */
		smp_store_release(&session->server_syn, true);
		WRITE_ONCE(session->syn, true);
		return false;
	}
	return !READ_ONCE(session->syn) || tcp->fin ||
	       skb->len > transport + tcp->doff * 4;
}

/* Called for a packet of the server, after IPVS's state has seen it. */
void ivb_unanswered_reply(struct session *session, struct ip_vs_conn *cp,
			  const struct sk_buff *skb, int transport)
{
	bool answered;

	if (cp->protocol == IPPROTO_TCP)
		answered = follows_handshake(session, skb, transport);
	else
		answered = cp->protocol == IPPROTO_UDP ||
			   cp->state == IP_VS_SCTP_S_ESTABLISHED;
	if (answered)
		decide(session, SESSION_ANSWERED);
	else
		unanswered_bound(session, cp);
}

void ivb_unanswered_init(struct director *director)
{
	unsigned int i;

	for (i = 0; i < UNANSWERED_PROTOCOLS; i++)
		director->unanswered_limit[i] = limits[i];
}
