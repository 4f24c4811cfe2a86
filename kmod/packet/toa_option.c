// SPDX-License-Identifier: GPL-2.0-only
/*
 * Puts a TCP option into a segment, before the options that it has. The packet stays
 * right: a checksum is changed by the difference, and a checksum for a device to finish
 * is made only if the old one was right. Segments on the wire do not exceed the MTU: a
 * packet of several segments gets smaller ones, and a segment that would be too large
 * becomes two. On a path with a smaller MTU than our own link, nothing becomes larger
 * than it was: its routers send their errors to the client, which does not count the
 * option.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "packet/send.h"
#include "packet/toa_option.h"

#define TCP_HEADER_MAX 60

/* The changes that give a segment room for the option. */
struct fit {
	unsigned int mtu;
	bool narrow;  /* the path has a smaller MTU, which is not known */
	u16 gso_size; /* the new size; 0: it is one segment, and stays one */
	bool partial; /* a device finishes its checksum */
};

/* The largest fragment of a reassembled packet, which is fragmented again; or 0. */
static unsigned int fragment_size(const struct sk_buff *skb, u8 family)
{
	return is_ipv6(family) ? IP6CB(skb)->frag_max_size : IPCB(skb)->frag_max_size;
}

static __sum16 checksum(struct sk_buff *skb, const struct packet *packet)
{
	if (is_ipv6(packet->family))
		return nf_ip6_checksum(skb, NF_INET_PRE_ROUTING, packet->transport,
				       IPPROTO_TCP);
	return nf_ip_checksum(skb, NF_INET_PRE_ROUTING, packet->transport, IPPROTO_TCP);
}

/* True if the checksum is right, or a device found it right. */
static bool checksum_is_right(struct sk_buff *skb, const struct packet *packet)
{
	switch (skb->ip_summed) {
	case CHECKSUM_UNNECESSARY:
		return true;
	case CHECKSUM_NONE:
		return !skb_is_gso(skb) && !checksum(skb, packet);
	default:
		return false; /* a device finishes another checksum, further inside */
	}
}

/* Finds how a packet of several segments gets room. */
static bool fit_segments(const struct sk_buff *skb, unsigned int headers,
			 unsigned int length, struct fit *fit)
{
	u16 size = skb_shinfo(skb)->gso_size;

	/* As large on the wire as before, unless they are tiny. */
	fit->gso_size = size > 2 * length ? size - length : size;
	return headers + length + fit->gso_size <= fit->mtu ||
	       headers + size > fit->mtu; /* fragmented later, as before */
}

/* Finds how a single segment gets room. If it would be too large, it becomes two. */
static bool fit_single(const struct sk_buff *skb, const struct packet *packet,
		       const struct tcphdr *tcp, unsigned int length, struct fit *fit)
{
	unsigned int headers = packet->transport + tcp->doff * 4;
	bool room = skb->len + length <= fit->mtu;

	fit->gso_size = 0;
	if ((room && !fit->narrow) || skb->len > fit->mtu ||
	    fragment_size(skb, packet->family))
		return true;
	/* Both segments would have these flags. */
	if (tcp->syn || tcp->rst || skb->len - headers <= 2 * length)
		return room;
	fit->gso_size = skb->len - headers - length;
	return true;
}

/* Returns false if the segment has no room for an option of that length. */
static bool fits(const struct sk_buff *skb, const struct packet *packet,
		 const struct tcphdr *tcp, unsigned int length, struct fit *fit)
{
	unsigned int header = tcp->doff * 4;

	if (header + length > TCP_HEADER_MAX || skb->len + length > U16_MAX)
		return false;
	fit->mtu = mtu_of(skb_dst(skb), packet->family);
	if (skb_is_gso(skb))
		return fit_segments(skb, packet->transport + header, length, fit);
	return fit_single(skb, packet, tcp, length, fit);
}

/* Does everything that may fail. Returns true if the option can be put in. */
static bool prepare(struct sk_buff *skb, const struct packet *packet,
		    unsigned int length, struct fit *fit)
{
	const int types = SKB_GSO_TCPV4 | SKB_GSO_TCPV6;

	if (skb_is_gso(skb) && !(skb_shinfo(skb)->gso_type & types))
		return false;
	fit->partial = toa_is_partial(skb, toa_tcp(skb, packet));
	/* It is not cut where one skb of the list ends. */
	if (fit->gso_size && skb_has_frag_list(skb) && skb_linearize(skb))
		return false;
	if (fit->gso_size && !fit->partial && !checksum_is_right(skb, packet))
		return false;
	return !skb_cow(skb, length);
}

/* Sets the length in the IP header. */
static void set_length(struct sk_buff *skb, u8 family)
{
	__be16 length = htons(skb->len);

	if (is_ipv6(family)) {
		ipv6_hdr(skb)->payload_len = htons(skb->len - sizeof(struct ipv6hdr));
		return;
	}
	csum_replace2(&ip_hdr(skb)->check, ip_hdr(skb)->tot_len, length);
	ip_hdr(skb)->tot_len = length;
}

static void add_to_sum(struct tcphdr *tcp, __wsum diff, bool partial)
{
	/* A partial checksum is the sum of the pseudo-header, not its complement. */
	if (partial)
		tcp->check = ~csum_fold(csum_add(csum_unfold(tcp->check), diff));
	else
		csum_replace_by_diff(&tcp->check, diff);
}

/* Moves both headers down. The option goes between them and the client's options. */
static void insert(struct sk_buff *skb, const struct packet *packet,
		   const struct toa_option *option, bool partial)
{
	unsigned int headers = packet->transport + sizeof(struct tcphdr);
	u32 before = skb->len - packet->transport;
	__be16 *word;
	struct tcphdr *tcp;
	__wsum diff;

	skb_push(skb, option->length);
	memmove(skb->data, skb->data + option->length, headers);
	memcpy(skb->data + headers, option, option->length);
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, packet->transport);
	set_length(skb, packet->family);
	if (partial)
		skb->csum_start -= option->length;

	tcp = toa_tcp(skb, packet);
	/* The length of the header, and the flags. */
	word = (__be16 *)tcp + 6;
	diff = csum_sub((__force __wsum)htonl(before + option->length),
			(__force __wsum)htonl(before));
	if (!partial) {
		diff = csum_sub(diff, (__force __wsum)*word);
		diff = csum_add(diff, csum_partial(option, option->length, 0));
	}
	tcp->doff += option->length / 4;
	if (!partial)
		diff = csum_add(diff, (__force __wsum)*word);
	add_to_sum(tcp, diff, partial);
}

/* Makes the checksum partial. It was right before. */
static void make_partial(struct sk_buff *skb, const struct packet *packet)
{
	struct tcphdr *tcp = toa_tcp(skb, packet);
	int length = skb->len - packet->transport;

	if (is_ipv6(packet->family))
		tcp->check = ~tcp_v6_check(length, &ipv6_hdr(skb)->saddr,
					   &ipv6_hdr(skb)->daddr, 0);
	else
		tcp->check = ~tcp_v4_check(length, ip_hdr(skb)->saddr,
					   ip_hdr(skb)->daddr, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = (u8 *)tcp - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
}

/* Has the packet cut into segments with that many bytes of data. */
static void cut(struct sk_buff *skb, const struct packet *packet, u16 size)
{
	const struct tcphdr *tcp = toa_tcp(skb, packet);
	unsigned int data = skb->len - packet->transport - tcp->doff * 4;
	struct skb_shared_info *info = skb_shinfo(skb);

	if (!info->gso_size) {
		info->gso_type |= is_ipv6(packet->family) ? SKB_GSO_TCPV6 :
							       SKB_GSO_TCPV4;
		if (tcp->cwr)
			info->gso_type |= SKB_GSO_TCP_ECN;
	}
	info->gso_size = size;
	info->gso_segs = DIV_ROUND_UP(data, size);
}

/* Called when the packet has its route and is writable up to the end of its TCP header.
 * narrow: an earlier segment of the connection was too big for the path. Returns -ENOSPC
 * if there is no room. Other errors: no memory, or a wrong checksum. On an error the
 * segment is unchanged.
 */
int ivb_toa_add(struct sk_buff *skb, const struct packet *packet,
		const struct toa_option *option, bool narrow)
{
	struct fit fit = { .narrow = narrow };

	if (!fits(skb, packet, toa_tcp(skb, packet), option->length, &fit))
		return -ENOSPC;
	if (!prepare(skb, packet, option->length, &fit))
		return -EINVAL;
	insert(skb, packet, option, fit.partial);
	if (fit.gso_size) {
		if (!fit.partial)
			make_partial(skb, packet);
		cut(skb, packet, fit.gso_size);
	}
	return 0;
}
