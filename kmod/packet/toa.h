/* SPDX-License-Identifier: GPL-2.0-only */
/* Sends the client's address to its server (toa.c). */
#ifndef IP_VS_BPF_PACKET_TOA_H
#define IP_VS_BPF_PACKET_TOA_H

#include "packet/packet.h"
#include "packet/toa_option.h"
#include "table/session.h"

bool ivb_toa_request(struct session *session, const struct ip_vs_conn *cp,
		     struct sk_buff *skb, const struct packet *packet);
void ivb_toa_see_reply(struct session *session, const struct sk_buff *skb,
		       unsigned int transport);

/* Called for a packet of the client that IPVS accepted, rewritten and with its route.
 * Returns false if it must not be sent. A SYN begins another handshake, also in a
 * connection that IPVS calls established.
 */
static inline bool toa_request(struct session *session, const struct ip_vs_conn *cp,
			       struct sk_buff *skb, const struct packet *packet)
{
	u8 state = READ_ONCE(session->toa);

	if (state == TOA_OFF || (state == TOA_TOLD && !toa_tcp(skb, packet)->syn))
		return true;
	return ivb_toa_request(session, cp, skb, packet);
}

/* Called for a packet of the server, whatever its session's service asks for. */
static inline void toa_reply(struct session *session, const struct sk_buff *skb,
			     unsigned int transport)
{
	if (READ_ONCE(session->toa) != TOA_OFF)
		ivb_toa_see_reply(session, skb, transport);
}

/* Called for an ICMP error to the client: a segment is too big for the path to the server.
 */
static inline void toa_too_big(struct session *session)
{
	if (toa_is_telling(session))
		WRITE_ONCE(session->toa_narrow, true);
}

#endif
