// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transmitter of IPv6 full-NAT connections; see transmit.c.
 */
#include <linux/icmpv6.h>
#include <linux/ipv6.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

#include "leases.h"
#include "routes.h"
#include "session_table.h"
#include "unanswered.h"

unsigned int mtu6(const struct dst_entry *dst)
{
	return max_t(unsigned int, dst_mtu(dst), IPV6_MIN_MTU);
}

/* Whether the packet does not fit. One that was put together of fragments is
 * taken apart again by ip6_fragment(), into no larger ones.
 */
bool exceeds6(const struct sk_buff *skb, unsigned int mtu)
{
	unsigned int fragment = IP6CB(skb)->frag_max_size;

	return fragment ? fragment > mtu : exceeds(skb, mtu);
}

/* ip6_output() skips POSTROUTING for packets that were there before. */
int send6(struct director *director, struct sk_buff *skb)
{
	IP6CB(skb)->flags |= IP6SKB_REROUTED;
	return send(director, skb);
}

/* The packet as the module may rewrite it. IPVS read it too, but also what
 * packet_read6() leaves alone, and hands it to us from LOCAL_IN.
 */
static bool read(const struct sk_buff *skb, const struct ip_vs_iphdr *iph,
		 struct packet *packet)
{
	if (unlikely(iph->len != sizeof(struct ipv6hdr)))
		return packet_read6(skb, packet) && packet->transport == iph->len;
	packet->family = AF_INET6;
	packet->protocol = iph->protocol;
	packet->transport = iph->len;
	return true;
}

int transmit6(struct sk_buff *skb, struct ip_vs_conn *cp,
	      struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph)
{
	struct session *session = session_of(cp);
	struct director *director;
	struct dst_entry *dst;
	struct packet packet;
	struct flow to;
	u32 generation;

	if (!session)
		return transmit_lost(skb, cp);
	director = session->director;
	generation = leases_generation(director);
	if (!read(skb, iph, &packet))
		return transmit_drop(director, skb, COUNT_DROP_EXTENSION_HEADERS);
	if (is_unanswered(session))
		unanswered_request(session, cp, skb, packet.transport);
	if (ipv6_hdr(skb)->hop_limit <= 1) {
		icmpv6_send(skb, ICMPV6_TIME_EXCEED, ICMPV6_EXC_HOPLIMIT, 0);
		return transmit_drop(director, skb, COUNT_DROP_TTL);
	}
	session_translate(session, cp, IPVS_BPF_ORIGINAL, &to);
	/* Always a counted reference, which set_route() takes over. */
	dst = session_route6(session, IPVS_BPF_ORIGINAL, skb, &to);
	if (dst->error) {
		icmpv6_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_NOROUTE, 0);
		dst_release(dst);
		return transmit_drop(director, skb, COUNT_DROP_NO_ROUTE);
	}
	if (exceeds6(skb, mtu6(dst))) {
		icmpv6_send(skb, ICMPV6_PKT_TOOBIG, 0, mtu6(dst));
		dst_release(dst);
		return transmit_drop(director, skb, COUNT_DROP_TOO_BIG);
	}
	if (nat_rewrite(skb, &packet, &to)) {
		dst_release(dst);
		return transmit_drop(director, skb, COUNT_DROP_REWRITE);
	}
	ipv6_hdr(skb)->hop_limit--;
	if (!set_route(skb, dst))
		return transmit_drop(director, skb, COUNT_DROP_POLICY);
	if (lease_due(session, cp, IPVS_BPF_ORIGINAL))
		lease_renew(session, cp, IPVS_BPF_ORIGINAL, skb, generation);
	return send6(director, skb);
}

/* Tells a client that got no session; for SCTP see transmit_refusal(). */
void refuse6(struct sk_buff *skb, u8 protocol)
{
	if (protocol == IPPROTO_SCTP)
		icmpv6_send(skb, ICMPV6_PARAMPROB, ICMPV6_UNK_NEXTHDR,
			    offsetof(struct ipv6hdr, nexthdr));
	else
		icmpv6_send(skb, ICMPV6_DEST_UNREACH, ICMPV6_PORT_UNREACH, 0);
}
