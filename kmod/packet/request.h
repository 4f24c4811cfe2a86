/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests: the transmitters of full-NAT connections (request.c). */
#ifndef IP_VS_BPF_PACKET_REQUEST
#define IP_VS_BPF_PACKET_REQUEST

#include "packet/packet.h"
#include "table/session.h"

/* The type of cp->packet_xmit. */
typedef int conn_xmit(struct sk_buff *skb, struct ip_vs_conn *cp,
		      struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph);

conn_xmit ivb_request_transmit;
conn_xmit ivb_request_refuse;

int ivb_request_send(struct session *session, struct ip_vs_conn *cp, struct sk_buff *skb,
		     const struct packet *packet, u32 generation);

/* True if the connection is bound to our application. */
static inline bool is_ours(const struct ip_vs_conn *cp)
{
	/* On a backup, IPVS may bind it again meanwhile. */
	conn_xmit *transmit = READ_ONCE(cp->packet_xmit);

	return transmit == ivb_request_transmit || transmit == ivb_request_refuse;
}

#endif
