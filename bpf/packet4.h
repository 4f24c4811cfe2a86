/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv4 TCP or UDP packet, and rewrites it. */
#ifndef PACKET4_H
#define PACKET4_H

#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "table.h"
#include "transport.h"

#define IP_MORE_FRAGMENTS 0x2000
#define IP_FRAGMENT_OFFSET 0x1fff
#define IP_VERSION_4_WITHOUT_OPTIONS 0x45

/* The headers of a packet, as long as those of a UDP packet. */
struct headers4 {
	__u8 version_and_ihl;
	__u8 tos;
	__be16 tot_len;
	__be16 id;
	__be16 frag_off;
	__u8 ttl;
	__u8 protocol;
	__sum16 check;
	__be32 saddr;
	__be32 daddr;
	union ports ports;
	__u8 rest[sizeof(struct udphdr) - sizeof(union ports)];
};

/* Finds the words of the packet's tuple. Returns false if the packet cannot have a lease:
 * it is neither TCP nor UDP, is a fragment, or has options.
 */
static __always_inline bool parse4(const struct headers4 *headers, __u64 *words)
{
	if (headers->version_and_ihl != IP_VERSION_4_WITHOUT_OPTIONS ||
	    !has_lease(headers->protocol) ||
	    headers->frag_off & bpf_htons(IP_MORE_FRAGMENTS | IP_FRAGMENT_OFFSET))
		return false;
	words[0] = load(&headers->saddr);
	words[1] = last_word(headers->ports.both, headers->protocol);
	return true;
}

static __always_inline __u64 pseudo4(const struct headers4 *headers, __u8 protocol)
{
	return (__u64)headers->saddr + headers->daddr + bpf_htons(protocol) +
	       bpf_htons(bpf_ntohs(headers->tot_len) - sizeof(struct iphdr));
}

/* Writes new addresses and ports and decrements the TTL, whatever state the checksum is
 * in. addresses is both addresses in one word. Returns 0 if a write failed half way.
 */
static __always_inline int rewrite4(struct __sk_buff *skb, __u8 protocol,
				    __u64 addresses, __be32 ports)
{
	struct headers4 *headers;
	__u64 changes, pseudo;
	union ports old, new;
	enum change change;

	if (!linear(at_tc(skb), NETWORK, sizeof(*headers), (void **)&headers))
		return 0;
	old = headers->ports;
	new.both = ports;
	pseudo = pseudo4(headers, protocol);
	changes = difference(headers->saddr, first_half(addresses)) +
		  difference(headers->daddr, second_half(addresses));
	headers->check = changed(headers->check,
				 changes + difference(bpf_htons(1 << 8), 0));
	headers->ttl--;
	store(&headers->saddr, addresses);
	change = rewrite_transport(skb, NETWORK + sizeof(struct iphdr), protocol, pseudo,
				   changes, old, new);
	/* See enum change. Does nothing if the device computed no sum. */
	if (change == CHANGED)
		bpf_csum_update(skb, ~fold32(changes));
	return change != NOT_CHANGED;
}

#endif
