// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives a packet the addresses and ports of another flow, and changes its checksums by
 * the difference (RFC 1624), whether they are right or partial (a device has yet to
 * finish them). SCTP's checksum covers no address, and the ports of an SCTP connection
 * stay.
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

static unsigned int check_offset(u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return offsetof(struct tcphdr, check);
	case IPPROTO_UDP:
		return offsetof(struct udphdr, check);
	default:
		return offsetof(struct sctphdr, checksum);
	}
}

/* True if a device would write the checksum over something else in the headers, such as
 * a new address. The kernel lets programs and virtual machines ask for that
 * (virtio_net.h), but no honest one does. Called when the transport header is in the
 * linear part.
 */
static bool is_misplaced(const struct sk_buff *skb, const void *transport, u8 protocol)
{
	unsigned int size = header_size(protocol);

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return false;
	if (is_partial(skb, transport))
		return skb->csum_offset != check_offset(protocol);
	if (protocol == IPPROTO_TCP)
		size = max_t(unsigned int, size, ((const struct tcphdr *)transport)->doff * 4);
	return skb->head + skb->csum_start + skb->csum_offset <
	       (const unsigned char *)transport + size;
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

/* Sets both addresses, which are adjacent. Returns the change of their sum, as the next
 * two functions do.
 */
static __wsum set_addrs4(struct iphdr *iph, const struct flow *to)
{
	__wsum old = csum_add((__force __wsum)iph->saddr, (__force __wsum)iph->daddr);
	__wsum new = csum_add((__force __wsum)to->saddr.ip,
			      (__force __wsum)to->daddr.ip);
	__wsum change = csum_sub(new, old);

	iph->saddr = to->saddr.ip;
	iph->daddr = to->daddr.ip;
	csum_replace_by_diff(&iph->check, change);
	return change;
}

/* IPv6 has no header checksum. */
static __wsum set_addrs6(struct ipv6hdr *iph, const struct flow *to)
{
	__wsum old = csum_partial(&iph->saddr, 2 * sizeof(iph->saddr), 0);
	__wsum new = csum_partial(&to->saddr, 2 * sizeof(to->saddr), 0);

	iph->saddr = to->saddr.in6;
	iph->daddr = to->daddr.in6;
	return csum_sub(new, old);
}

/* Source and destination port are adjacent, so they are handled as one number. */
static __wsum set_ports(__be32 *ports, const struct flow *to)
{
	union {
		__be16 port[2];
		__be32 both;
	} new = { { to->sport, to->dport } };
	__wsum change = csum_sub((__force __wsum)new.both, (__force __wsum)*ports);

	*ports = new.both;
	return change;
}

/* Until a device has finished a checksum, it is the sum of the pseudo-header alone. */
static void update(const struct sk_buff *skb, __sum16 *check, bool whole,
		   __wsum addresses, __wsum ports)
{
	if (skb->ip_summed == CHECKSUM_PARTIAL && !whole)
		*check = ~csum_fold(csum_add(csum_unfold(*check), addresses));
	else
		csum_replace_by_diff(check, csum_add(addresses, ports));
}

int ivb_nat_rewrite(struct sk_buff *skb, const struct packet *packet,
		    const struct flow *to)
{
	u8 protocol = packet->protocol;
	__wsum addresses, ports = 0;
	void *transport;
	__sum16 *check;
	int err;

	err = skb_ensure_writable(skb, packet->transport + header_size(protocol));
	if (err)
		return err;
	transport = skb_network_header(skb) + packet->transport;
	if (unlikely(is_misplaced(skb, transport, protocol)))
		return -EINVAL;
	/* The device's sum is that of the packet before. */
	skb_forward_csum(skb);
	check = transport_check(skb, transport, protocol);
	if (is_ipv6(packet->family))
		addresses = set_addrs6(ipv6_hdr(skb), to);
	else
		addresses = set_addrs4(ip_hdr(skb), to);
	if (protocol != IPPROTO_SCTP)
		ports = set_ports(transport, to);
	if (!check)
		return 0;
	update(skb, check, is_whole(skb, transport), addresses, ports);
	if (protocol == IPPROTO_UDP && !*check)
		*check = CSUM_MANGLED_0;
	return 0;
}
