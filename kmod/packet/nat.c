// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives a packet the addresses and ports of another flow, and changes its checksums by
 * the difference (RFC 1624), whatever state they are in: right, partial (a device has
 * yet to finish it), or summed up by the device. SCTP's checksum covers no address, and
 * the ports of an SCTP connection stay.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "compat.h"
#include "packet/nat.h"

/* The checksum of the transport header. */
struct sum {
	__sum16 *check; /* NULL: none */
	bool whole;     /* even if skb->ip_summed says partial */
};

static unsigned int header_size(u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return sizeof(struct tcphdr);
	case IPPROTO_UDP:
		return sizeof(struct udphdr);
	default:
		return sizeof(struct sctphdr);
	}
}

/* True while a device has yet to finish the checksum of this very header, and not the
 * checksum of an inner one (VXLAN).
 */
static bool is_partial(const struct sk_buff *skb, const void *transport)
{
	return skb->ip_summed == CHECKSUM_PARTIAL &&
	       skb->head + skb->csum_start == transport;
}

/* The transport checksum, or NULL if there is none to change. The packet is writable up
 * to the end of its transport header.
 */
static __sum16 *transport_check(struct sk_buff *skb, void *transport, u8 protocol)
{
	struct udphdr *udp = transport;

	if (protocol == IPPROTO_TCP)
		return &((struct tcphdr *)transport)->check;
	/* RFC 768, RFC 6935: 0 means that the sender computed none. A partial checksum
	 * may be 0 by chance.
	 */
	if (protocol == IPPROTO_UDP && (udp->check || is_partial(skb, transport)))
		return &udp->check;
	return NULL;
}

/* The checksum of an outer header is whole while a device has yet to finish an inner
 * one, unless the device cuts the packet into segments and finishes both.
 */
static bool is_whole(const struct sk_buff *skb, const void *transport)
{
	return skb->ip_summed == CHECKSUM_PARTIAL && !is_partial(skb, transport) &&
	       !skb_is_gso(skb);
}

/* Updates the sum for words of the packet (pseudo: of its pseudo-header). */
static void replace(struct sk_buff *skb, const struct sum *sum, const __be32 *old,
		    const __be32 *new, int words, bool pseudo)
{
	int word;

	for (word = 0; word < words; word++) {
		if (sum->whole)
			csum_replace4(sum->check, old[word], new[word]);
		else
			inet_proto_csum_replace4(sum->check, skb, old[word],
						 new[word], pseudo);
	}
}

static void set_addr4(struct sk_buff *skb, __be32 *old, const struct sum *sum,
		      __be32 addr)
{
	if (sum->check)
		replace(skb, sum, old, &addr, 1, true);
	csum_replace4(&ip_hdr(skb)->check, *old, addr);
	*old = addr;
}

/* IPv6 has no header checksum. The device's sum changes by the address and by the
 * transport checksum, which cancel each other. For SCTP nothing cancels the address;
 * ivb_send() discards that sum in any case.
 */
static void set_addr6(struct sk_buff *skb, struct in6_addr *old, const struct sum *sum,
		      const struct in6_addr *addr)
{
	if (sum->check && sum->whole)
		replace(skb, sum, old->s6_addr32, addr->s6_addr32, 4, true);
	else if (sum->check)
		inet_proto_csum_replace16(sum->check, skb, old->s6_addr32,
					  addr->s6_addr32, true);
	*old = *addr;
}

/* Source and destination port are adjacent, so they are handled as one number. */
static void set_ports(struct sk_buff *skb, __be32 *old, const struct sum *sum,
		      u8 protocol, const struct flow *to)
{
	union {
		__be16 port[2];
		__be32 both;
	} new = { { to->sport, to->dport } };

	if (sum->check) {
		replace(skb, sum, old, &new.both, 1, false);
		if (protocol == IPPROTO_UDP && !*sum->check)
			*sum->check = CSUM_MANGLED_0;
	}
	*old = new.both;
}

int ivb_nat_rewrite(struct sk_buff *skb, const struct packet *packet,
		    const struct flow *to)
{
	u8 protocol = packet->protocol;
	struct sum sum;
	void *transport;
	int err;

	err = skb_ensure_writable(skb, packet->transport + header_size(protocol));
	if (err)
		return err;
	transport = skb_network_header(skb) + packet->transport;
	sum.check = transport_check(skb, transport, protocol);
	sum.whole = is_whole(skb, transport);
	if (packet->family == AF_INET6) {
		set_addr6(skb, &ipv6_hdr(skb)->saddr, &sum, &to->saddr.in6);
		set_addr6(skb, &ipv6_hdr(skb)->daddr, &sum, &to->daddr.in6);
	} else {
		set_addr4(skb, &ip_hdr(skb)->saddr, &sum, to->saddr.ip);
		set_addr4(skb, &ip_hdr(skb)->daddr, &sum, to->daddr.ip);
	}
	if (protocol != IPPROTO_SCTP)
		set_ports(skb, transport, &sum, protocol, to);
	return 0;
}
