// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transmitter of IPv4 full-NAT connections, in the place of IPVS's
 * ip_vs_nat_xmit(), and what it shares with that of IPv6 (transmit6.c). It gives the
 * packet both of its new ends and sends it past POSTROUTING.
 */
#include <linux/icmp.h>
#include <linux/ip.h>
#include <net/icmp.h>
#include <net/ip.h>
#include <net/netfilter/nf_conntrack.h>
#include <net/route.h>
#include <net/xfrm.h>

#include "leases.h"
#include "routes.h"
#include "session_table.h"
#include "unanswered.h"

/* Whether the packet, or one of its segments, has to be fragmented. */
bool exceeds(const struct sk_buff *skb, unsigned int mtu)
{
	if (skb->len <= mtu)
		return false;
	return !skb_is_gso(skb) || !skb_gso_validate_network_len(skb, mtu);
}

/* Whether the sender has to be told, as ip_forward.c: ip_exceeds_mtu() decides.
 * What was put together of fragments is taken apart again, into no larger ones.
 */
bool too_big4(const struct sk_buff *skb, unsigned int mtu)
{
	unsigned int fragment = IPCB(skb)->frag_max_size;

	if (!(ip_hdr(skb)->frag_off & htons(IP_DF)))
		return false;
	return fragment ? fragment > mtu : exceeds(skb, mtu);
}

/* Gives a rewritten packet its route, which it takes over, or the one that IPsec
 * policies make of it. false: they forbid it.
 */
bool set_route(struct sk_buff *skb, struct dst_entry *dst)
{
	struct net_device *dev = skb->dev;
	bool allowed;

	skb_dst_drop(skb);
	skb_dst_set(skb, dst);
	/* A packet of this host itself has come in by no interface; the policies'
	 * namespace is found by one.
	 */
	skb->dev = dev ?: dst->dev;
	allowed = xfrm_route_forward(skb, dst->ops->family);
	skb->dev = dev;
	return allowed;
}

/* Sends a rewritten packet that has its route, and takes it over. The caller has told
 * the output function of the family to skip POSTROUTING.
 */
int send(struct director *director, struct sk_buff *skb)
{
	/* IPVS has seen it, and conntrack must not: also not where it comes
	 * back through the loopback device, to a client on this host.
	 * ip_vs_notrack() marks only what conntrack has seen before.
	 */
	skb->ipvs_property = 1;
	nf_reset_ct(skb);
	nf_ct_set(skb, NULL, IP_CT_UNTRACKED);
#if IS_ENABLED(CONFIG_BRIDGE_NETFILTER)
	/* It came in at a bridge's port, and leaves as what this host sends. */
	skb_ext_del(skb, SKB_EXT_BRIDGE_NF);
#endif
	/* What the device summed up was the packet before we rewrote it, and
	 * a receive timestamp is no time to send at.
	 */
	skb_forward_csum(skb);
	compat_clear_tstamp(skb);
	dst_output(director->net, NULL, skb);
	return NF_STOLEN;
}

/* ip_output() skips POSTROUTING for packets that were there before. */
int send4(struct director *director, struct sk_buff *skb)
{
	IPCB(skb)->flags |= IPSKB_REROUTED;
	return send(director, skb);
}

int transmit_drop(struct director *director, struct sk_buff *skb,
		  enum counter why)
{
	count(director, why);
	kfree_skb(skb);
	return NF_STOLEN;
}

/* The connection has no session any more, or none for a moment: session_of(). */
int transmit_lost(struct sk_buff *skb, struct ip_vs_conn *cp)
{
	struct director *director = director_of(cp->ipvs->net);

	/* IPVS takes it for alive, since a packet came. */
	if (READ_ONCE(cp->app_data))
		cp->timeout = 0;
	if (director)
		count(director, COUNT_DROP_NO_SESSION);
	kfree_skb(skb);
	return NF_STOLEN;
}

int transmit4(struct sk_buff *skb, struct ip_vs_conn *cp,
	      struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph)
{
	struct packet packet = {
		.family = AF_INET,
		.protocol = iph->protocol,
		.transport = iph->len,
	};
	struct session *session = session_of(cp);
	struct director *director;
	struct rtable *rt;
	struct flow to;
	u32 generation;

	if (!session)
		return transmit_lost(skb, cp);
	director = session->director;
	generation = leases_generation(director);
	if (is_unanswered(session))
		unanswered_request(session, cp, skb, packet.transport);
	if (ip_hdr(skb)->ttl <= 1) {
		icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
		return transmit_drop(director, skb, COUNT_DROP_TTL);
	}
	session_translate(session, cp, IPVS_BPF_ORIGINAL, &to);
	rt = session_route4(session, IPVS_BPF_ORIGINAL, skb, &to);
	if (IS_ERR(rt)) {
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
		return transmit_drop(director, skb, COUNT_DROP_NO_ROUTE);
	}
	if (too_big4(skb, dst_mtu(&rt->dst))) {
		icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
			  htonl(dst_mtu(&rt->dst)));
		ip_rt_put(rt);
		return transmit_drop(director, skb, COUNT_DROP_TOO_BIG);
	}
	if (nat_rewrite(skb, &packet, &to)) {
		ip_rt_put(rt);
		return transmit_drop(director, skb, COUNT_DROP_REWRITE);
	}
	ip_decrease_ttl(ip_hdr(skb));
	if (!set_route(skb, &rt->dst))
		return transmit_drop(director, skb, COUNT_DROP_POLICY);
	if (lease_due(session, cp, IPVS_BPF_ORIGINAL))
		lease_renew(session, cp, IPVS_BPF_ORIGINAL, skb, generation);
	return send4(director, skb);
}

/* The transmitter of connections that got no session: the client is told at
 * once, and the connection ends when IPVS is done with the packet.
 */
int transmit_refusal(struct sk_buff *skb, struct ip_vs_conn *cp,
		     struct ip_vs_protocol *pp, struct ip_vs_iphdr *iph)
{
	const struct session *refused = READ_ONCE(cp->app_data);

#ifdef CONFIG_IP_VS_IPV6
	if (cp->af == AF_INET6)
		refuse6(skb, cp->protocol);
	else
#endif
		/* Of the two, SCTP gives up on the protocol alone (RFC 9260,
		 * section 10).
		 */
		icmp_send(skb, ICMP_DEST_UNREACH,
			  cp->protocol == IPPROTO_SCTP ? ICMP_PROT_UNREACH :
							 ICMP_PORT_UNREACH, 0);
	cp->timeout = 0;
	if (refused)
		count(refused->director, COUNT_DROP_REFUSED);
	kfree_skb(skb);
	return NF_STOLEN;
}
