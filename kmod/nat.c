// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rewrites one address and port of a packet and mends its checksums by the
 * difference (RFC 1624), whatever state they are in: right, partial (to be
 * finished by the device), or summed up by the device. SCTP's checksum covers
 * no address, and the ports of an SCTP connection stay.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/sctp.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "ip_vs_bpf.h"

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

/* True while a device has yet to finish the checksum of this very header, and not of one
 * further inside (VXLAN).
 */
static bool is_partial(const struct sk_buff *skb, const void *transport)
{
	return skb->ip_summed == CHECKSUM_PARTIAL &&
	       skb->head + skb->csum_start == transport;
}

/* Where the transport checksum is, or NULL where there is none to change. The
 * packet is writable up to the end of its transport header.
 */
static __sum16 *transport_check(struct sk_buff *skb, void *transport, u8 protocol)
{
	struct udphdr *udp = transport;

	if (protocol == IPPROTO_TCP)
		return &((struct tcphdr *)transport)->check;
	/* RFC 768, RFC 6935: 0 says that the sender computed none. A partial
	 * one may be 0 by chance.
	 */
	if (protocol == IPPROTO_UDP && (udp->check || is_partial(skb, transport)))
		return &udp->check;
	return NULL;
}

static void set_addr4(struct sk_buff *skb, bool source, __sum16 *check, __be32 addr)
{
	struct iphdr *iph = ip_hdr(skb);
	__be32 *old = source ? &iph->saddr : &iph->daddr;

	if (check)
		inet_proto_csum_replace4(check, skb, *old, addr, true);
	csum_replace4(&iph->check, *old, addr);
	*old = addr;
}

/* Without a header checksum: what the device summed up changes by the address
 * and by the transport checksum, which cancel each other. For SCTP nothing
 * does; send() gives that sum up in any case.
 */
static void set_addr6(struct sk_buff *skb, bool source, __sum16 *check,
		      const struct in6_addr *addr)
{
	struct ipv6hdr *iph = ipv6_hdr(skb);
	struct in6_addr *old = source ? &iph->saddr : &iph->daddr;

	if (check)
		inet_proto_csum_replace16(check, skb, old->s6_addr32,
					  addr->s6_addr32, true);
	*old = *addr;
}

static int nat(struct sk_buff *skb, const struct packet *packet, bool source,
	       const union nf_inet_addr *addr, __be16 port)
{
	u8 protocol = packet->protocol;
	__sum16 *check;
	__be16 *old;
	int err;

	err = skb_ensure_writable(skb, packet->transport + header_size(protocol));
	if (err)
		return err;
	old = (__be16 *)(skb_network_header(skb) + packet->transport);
	check = transport_check(skb, old, protocol);
	if (packet->family == AF_INET6)
		set_addr6(skb, source, check, &addr->in6);
	else
		set_addr4(skb, source, check, addr->ip);
	if (protocol == IPPROTO_SCTP)
		return 0;
	if (!source)
		old++;
	if (check) {
		inet_proto_csum_replace2(check, skb, *old, port, false);
		if (protocol == IPPROTO_UDP && !*check)
			*check = CSUM_MANGLED_0;
	}
	*old = port;
	return 0;
}

int nat_source(struct sk_buff *skb, const struct packet *packet,
	       const union nf_inet_addr *addr, __be16 port)
{
	return nat(skb, packet, true, addr, port);
}

int nat_destination(struct sk_buff *skb, const struct packet *packet,
		    const union nf_inet_addr *addr, __be16 port)
{
	return nat(skb, packet, false, addr, port);
}
