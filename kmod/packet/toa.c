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
 * Open). In all these segments, also in the SYN, options of the experimental kinds that
 * the client sent become NOPs, so that only this option names a client.
 *
 * The server shows it by data, by a FIN, or by acknowledging more than its SYN did. Any
 * other segment may answer a segment out of window, which the client can send at any
 * time; after that, the client would send an option of its own.
 *
 * A connection whose SYN another director saw may still be in its handshake, because IPVS
 * synchronises it at the client's ACK. The first segment of its server takes the place of
 * the SYN: it acknowledges as much, or more.
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

/* Called when a connection begins in a session that may have had an earlier one: its
 * segments are for the module.
 */
static void begin(struct session *session)
{
	if (toa_is_telling(session))
		return;
	WRITE_ONCE(session->toa, TOA_TELLING);
	ivb_leases_take(session);
}

/* See toa_request(). */
bool ivb_toa_request(struct session *session, const struct ip_vs_conn *cp,
		     struct sk_buff *skb, const struct packet *packet)
{
	struct director *director = session_director(session);
	struct found found = {};
	struct tcphdr *tcp = toa_tcp(skb, packet);
	unsigned int header = tcp->doff * 4;

	/* A SYN changed IPVS's state, which took it for a new connection's. */
	if (tcp->syn && cp->state == IP_VS_TCP_S_SYN_RECV)
		begin(session);
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
	if (!tcp->syn || found.fast_open || skb->len > packet->transport + header)
		add(session, cp, skb, packet);
	return true;
}

/* Two replies of a connection may be on two CPUs. */
static void set_acked(struct session *session, u32 acked)
{
	WRITE_ONCE(session->conn->in_seq.init_seq, acked);
	/* Pairs with has_acked_more(). */
	smp_store_release(&session->toa_has_acked, true);
}

static bool has_acked_more(const struct session *session, u32 acked)
{
	/* Pairs with set_acked(). */
	return smp_load_acquire(&session->toa_has_acked) &&
	       after(acked, READ_ONCE(session->conn->in_seq.init_seq));
}

/* Called for a packet of the server. */
void ivb_toa_see_reply(struct session *session, const struct sk_buff *skb,
		       unsigned int transport)
{
	const struct tcphdr *tcp;
	struct tcphdr buffer;
	u32 acked;

	tcp = skb_header_pointer(skb, transport, sizeof(buffer), &buffer);
	if (!tcp || tcp->rst)
		return;
	acked = ntohl(tcp->ack_seq);
	if (tcp->syn) {
		set_acked(session, acked);
		begin(session);
	} else if (tcp->fin || skb->len > transport + tcp->doff * 4 ||
		   has_acked_more(session, acked)) {
		WRITE_ONCE(session->toa, TOA_TOLD);
	} else if (!READ_ONCE(session->toa_has_acked)) {
		set_acked(session, acked);
	}
}
