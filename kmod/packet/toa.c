// SPDX-License-Identifier: GPL-2.0-only
/*
 * The client's address at the server: a TCP option in the client's segments, which
 * receivers of DPVS, of toa.ko and of this project read (docs/concepts/toa.md).
 *
 *     kind 254, length 8 or 20, port, IPv4 or IPv6 address; in network byte order
 *
 * It is the first option of each client segment except the SYN, until the server has
 * shown that its handshake is over: the segment that ends the handshake there is not
 * known here. The SYN has the option if it may make the connection by itself (TCP Fast
 * Open). In all these segments, and in every SYN, options of the experimental kinds that
 * the client sent become NOPs, so that only this option names a client.
 *
 * Each SYN of the client begins this again, whatever IPVS takes it for: the server may
 * have forgotten the connection, or may answer with a handshake whose SYN is lost on the
 * way to this host. Only segments that come after a SYN of the server show that the
 * handshake is over, because older ones may belong to another connection:
 *
 * - data, or a FIN;
 * - one that acknowledges more than the client's SYN, if that is the only handshake in this
 *   session. Any other segment may answer a segment out of window, which the client can
 *   send at any time, and then it acknowledges the SYN of any handshake that the server
 *   knows.
 *
 * After that, the client would send an option of its own.
 *
 * A connection whose SYN another director saw may still be in its handshake, because IPVS
 * synchronises it at the client's ACK. The first segment of its server takes the place of
 * both SYNs: it acknowledges as much as they do, or more.
 */
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/tcp.h>

#include "packet/toa.h"
#include "packet/toa_option.h"
#include "session/leases.h"
#include "table/counters.h"

/* The option kinds for experiments, RFC 4727. */
#define OPTION_EXPERIMENT_1 253
#define OPTION_EXPERIMENT_2 254
#define OPTION_TOA OPTION_EXPERIMENT_2

/* The client's own options. */
struct found {
	unsigned int forged;
	bool fast_open;
};

/* Walks the options that a receiver reads: up to the end of the list, or to a broken
 * option. If strike is set, forged options become NOPs.
 */
static void walk(struct tcphdr *tcp, struct found *found, bool strike)
{
	u8 *option = (u8 *)(tcp + 1);
	const u8 *end = (const u8 *)tcp + tcp->doff * 4;

	while (option < end && *option != TCPOPT_EOL) {
		if (*option == TCPOPT_NOP) {
			option++;
			continue;
		}
		if (end - option < 2 || option[1] < 2 || option[1] > end - option)
			return;
		if (*option == OPTION_EXPERIMENT_1 || *option == OPTION_EXPERIMENT_2) {
			u8 length = option[1];

			found->forged++;
			if (strike)
				memset(option, TCPOPT_NOP, length);
			option += length;
			continue;
		}
		found->fast_open |= *option == TCPOPT_FASTOPEN;
		option += option[1];
	}
}

/* Replaces forged options and updates the checksum. A partial checksum does not cover
 * options.
 */
static void blank_forged(struct sk_buff *skb, struct tcphdr *tcp)
{
	int length = tcp->doff * 4 - sizeof(*tcp);
	__wsum before = csum_partial(tcp + 1, length, 0);
	struct found again = {};

	walk(tcp, &again, true);
	if (!toa_is_partial(skb, tcp))
		csum_replace_by_diff(&tcp->check,
				     csum_sub(csum_partial(tcp + 1, length, 0), before));
}

static void make_option(const struct ip_vs_conn *cp, struct toa_option *option)
{
	option->kind = OPTION_TOA;
	option->length = offsetof(struct toa_option, addr) +
			 (cp->af == AF_INET6 ? sizeof(option->addr.in6) :
					       sizeof(option->addr.in));
	option->port = cp->cport;
	option->addr = cp->caddr;
}

/* Turns a packet whose segments each have a header into one with a single header,
 * because only one is rewritten. Returns false if there is no memory.
 */
static bool make_one(struct sk_buff *skb)
{
	if (likely(!skb_is_gso(skb) ||
		   !(skb_shinfo(skb)->gso_type & SKB_GSO_FRAGLIST)))
		return true;
	if (skb_unclone(skb, GFP_ATOMIC) || skb_linearize(skb))
		return false;
	skb_shinfo(skb)->gso_type &= ~SKB_GSO_FRAGLIST;
	return true;
}

/* Puts the option into the segment, or leaves the segment without it. */
static void add(const struct session *session, const struct ip_vs_conn *cp,
		struct sk_buff *skb, const struct packet *packet)
{
	struct director *director = session_director(session);
	struct toa_option option;

	make_option(cp, &option);
	switch (ivb_toa_add(skb, packet, &option, READ_ONCE(session->toa_narrow))) {
	case 0:
		count(director, COUNT_TOA_ADDED);
		break;
	case -ENOSPC:
		count(director, COUNT_TOA_NO_ROOM);
		break;
	default:
		count(director, COUNT_TOA_FAILED);
	}
}

/* Notes a number that the server may acknowledge before its handshake is over. A TCP Fast
 * Open is sent again without data, and the server need not accept data: so smaller numbers
 * may belong to the same handshake. Called under the session's lock.
 */
static void may_acknowledge(struct session *session, u32 acked)
{
	u32 *most = &session->conn->in_seq.init_seq;

	if (session->toa_handshake == HANDSHAKE_UNSEEN)
		*most = acked;
	else if (*most - acked > U16_MAX)
		session->toa_handshakes_differ = true;
}

/* Called for a SYN of the client, and for one of the server that may answer it. */
static void begin(struct session *session, u32 acked, enum toa_handshake handshake)
{
	bool was_told;

	spin_lock_bh(session_lock(session));
	was_told = session->toa == TOA_TOLD;
	may_acknowledge(session, acked);
	session->toa_handshake = handshake;
	WRITE_ONCE(session->toa, TOA_TELLING);
	spin_unlock_bh(session_lock(session));
	/* The segments are for the module. */
	if (was_told)
		ivb_leases_take(session);
}

/* The bytes of data of a segment, 0 if its header is broken. */
static u32 payload(const struct sk_buff *skb, unsigned int transport,
		   const struct tcphdr *tcp)
{
	unsigned int headers = transport + tcp->doff * 4;

	return skb->len > headers ? skb->len - headers : 0;
}

/* See toa_request(). */
bool ivb_toa_request(struct session *session, const struct ip_vs_conn *cp,
		     struct sk_buff *skb, const struct packet *packet)
{
	struct director *director = session_director(session);
	struct found found = {};
	struct tcphdr *tcp = toa_tcp(skb, packet);
	unsigned int header = tcp->doff * 4;

	if (tcp->syn)
		begin(session, ntohl(tcp->seq) + 1 + payload(skb, packet->transport, tcp),
		      HANDSHAKE_BEGUN);
	/* No server reads a broken header. */
	if (!toa_is_telling(session) || header < sizeof(*tcp) ||
	    packet->transport + header > skb->len)
		return true;
	if (!make_one(skb) || skb_ensure_writable(skb, packet->transport + header))
		return false;
	tcp = toa_tcp(skb, packet);
	walk(tcp, &found, false);
	if (found.forged) {
		blank_forged(skb, tcp);
		count_many(director, COUNT_TOA_FORGED, found.forged);
	}
	if (!tcp->syn || found.fast_open || payload(skb, packet->transport, tcp))
		add(session, cp, skb, packet);
	return true;
}

/* True if the segment shows that the server's handshake is over. Called under the
 * session's lock.
 */
static bool is_over(const struct session *session, const struct tcphdr *tcp, u32 data)
{
	if (session->toa_handshake == HANDSHAKE_BEGUN)
		return false;
	if (tcp->fin || data)
		return true;
	return session->toa_handshake == HANDSHAKE_ANSWERED &&
	       !session->toa_handshakes_differ &&
	       after(ntohl(tcp->ack_seq), session->conn->in_seq.init_seq);
}

/* Called for a packet of the server. */
void ivb_toa_see_reply(struct session *session, const struct sk_buff *skb,
		       unsigned int transport)
{
	const struct tcphdr *tcp;
	struct tcphdr buffer;

	tcp = skb_header_pointer(skb, transport, sizeof(buffer), &buffer);
	if (!tcp || tcp->rst)
		return;
	if (tcp->syn) {
		begin(session, ntohl(tcp->ack_seq), HANDSHAKE_ANSWERED);
		return;
	}
	if (!toa_is_telling(session))
		return;
	spin_lock_bh(session_lock(session));
	if (is_over(session, tcp, payload(skb, transport, tcp))) {
		WRITE_ONCE(session->toa, TOA_TOLD);
	} else if (session->toa_handshake == HANDSHAKE_UNSEEN) {
		may_acknowledge(session, ntohl(tcp->ack_seq));
		session->toa_handshake = HANDSHAKE_ANSWERED;
	}
	spin_unlock_bh(session_lock(session));
}
