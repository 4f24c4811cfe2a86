// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests, client -> VIP: the transmitter of full-NAT connections, instead of IPVS's
 * ip_vs_nat_xmit(). IPVS has found the connection, counted the packet and advanced the
 * connection's state. The transmitter translates and sends the packet.
 */
#include <linux/icmpv6.h>
#include <net/icmp.h>

#include "packet/checks.h"
#include "packet/request.h"
#include "packet/send.h"
#include "packet/toa.h"
#include "packet/translate.h"
#include "session/admission.h"
#include "session/leases.h"
#include "session/sessions.h"
#include "session/unanswered.h"

/* Called if the connection has no session any more, or has none for a moment: see
 * conn_session().
 */
static int drop_lost(struct sk_buff *skb, struct ip_vs_conn *cp)
{
	struct director *director = ivb_director_of(cp->ipvs->net);

	/* IPVS considers it active, because a packet came. */
	if (READ_ONCE(cp->app_data))
		cp->timeout = 0;
	if (director)
		count(director, COUNT_DROP_NO_SESSION);
	kfree_skb(skb);
	return NF_STOLEN;
}

/* Reads the packet as the module may rewrite it. IPVS read it too, but it also reads
 * IPv6 packets that packet_read6() rejects, and passes them to us from LOCAL_IN.
 */
static bool read(const struct sk_buff *skb, const struct ip_vs_iphdr *iph, u8 family,
		 struct packet *packet)
{
	if (is_ipv6(family) && unlikely(iph->len != sizeof(struct ipv6hdr)))
		return packet_read6(skb, packet) && packet->transport == iph->len;
	packet->family = family;
	packet->protocol = iph->protocol;
	packet->transport = iph->len;
	return true;
}

/* Inlined in the transmitter, which most packets of UDP take. */
static __always_inline int request_send(struct session *session, struct ip_vs_conn *cp,
					struct sk_buff *skb, const struct packet *packet,
					u32 generation)
{
	struct director *director = session_director(session);

	if (is_unanswered(session)) {
		if (is_ipv6(cp->af) && ivb_source_is_own6(cp->ipvs->net, skb)) {
			cp->timeout = 0; /* as in ivb_request_refuse() */
			return ivb_drop(director, skb, COUNT_DROP_OWN_SOURCE);
		}
		unanswered_request(session, cp, skb, packet->transport);
	}
	if (!ivb_translate(session, cp, IPVS_BPF_ORIGINAL, skb, packet))
		return NF_STOLEN;
	if (!toa_request(session, cp, skb, packet))
		return ivb_drop(director, skb, COUNT_DROP_REWRITE);
	if (lease_due(session, cp, IPVS_BPF_ORIGINAL))
		ivb_lease_renew(session, cp, IPVS_BPF_ORIGINAL, skb, generation);
	return ivb_send(director, skb, packet->family);
}

/* Translates and sends the packet, which is counted and has advanced the connection's
 * state. generation is leases_generation() from before. Called under RCU.
 */
int ivb_request_send(struct session *session, struct ip_vs_conn *cp, struct sk_buff *skb,
		     const struct packet *packet, u32 generation)
{
	return request_send(session, cp, skb, packet, generation);
}

int ivb_request_transmit(struct sk_buff *skb, struct ip_vs_conn *cp,
			 struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph)
{
	struct session *session = conn_session(cp);
	struct director *director;
	struct packet packet;
	u32 generation;

	if (!session)
		return drop_lost(skb, cp);
	director = session_director(session);
	/* IPVS takes ESP and AH for packets of the connection of UDP port 500
	 * (ip_vs_proto_ah_esp.c). They have no ports, and an answer would have none.
	 */
	if (unlikely(iph->protocol != cp->protocol))
		return ivb_drop(director, skb, COUNT_DROP_PROTOCOL);
	generation = leases_generation(director);
	if (!read(skb, iph, cp->af, &packet))
		return ivb_drop(director, skb, COUNT_DROP_EXTENSION_HEADERS);
	if (cp->protocol == IPPROTO_TCP)
		ivb_admit(session, skb, cp->af);
	return request_send(session, cp, skb, &packet, generation);
}

/* SCTP gives up on a protocol unreachable error, not on port unreachable (RFC 9260,
 * section 10).
 */
static void send_unreachable(struct sk_buff *skb, const struct ip_vs_conn *cp)
{
	bool sctp = cp->protocol == IPPROTO_SCTP;

	if (!is_ipv6(cp->af))
		icmp_send(skb, ICMP_DEST_UNREACH,
			  sctp ? ICMP_PROT_UNREACH : ICMP_PORT_UNREACH, 0);
	else if (sctp)
		icmpv6_send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR,
			    offsetof(struct ipv6hdr, nexthdr));
	else
		icmpv6_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
}

/* The transmitter of connections that got no session, or are forbidden (adopt.c). The client
 * gets an error at once, and the connection ends when IPVS is done with the packet.
 */
int ivb_request_refuse(struct sk_buff *skb, struct ip_vs_conn *cp,
		       struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph)
{
	struct director *director = ivb_director_of(cp->ipvs->net);

	send_unreachable(skb, cp);
	cp->timeout = 0;
	if (director)
		count(director, COUNT_DROP_REFUSED);
	kfree_skb(skb);
	return NF_STOLEN;
}
