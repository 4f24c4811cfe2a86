/* SPDX-License-Identifier: GPL-2.0-only */
/* Reads the flow of an IPv6 TCP or UDP packet, and rewrites it. Packets with extension
 * headers are left to the module.
 */
#ifndef PACKET6_H
#define PACKET6_H

#include <linux/ipv6.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "checksum.h"
#include "table.h"
#include "transport.h"

/* The headers of a packet, as long as those of a UDP packet. */
struct headers6 {
	__u8 traffic[4]; /* version, traffic class and flow label */
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__u64 addresses[4]; /* source and destination */
	union ports ports;
	__u8 rest[sizeof(struct udphdr) - sizeof(union ports)];
};

/* Finds the headers and the words of the packet's tuple. Returns false if the packet
 * cannot have a lease: it is neither TCP nor UDP, or has extension headers.
 */
static __always_inline bool parse6(struct packet packet, struct headers6 **found,
				   __u64 *words)
{
	const struct headers6 *headers;

	if (!at(packet, NETWORK, sizeof(*headers), (void **)found))
		return false;
	headers = *found;
	if (headers->traffic[0] >> 4 != 6 || !has_lease(headers->nexthdr))
		return false;
	words[0] = headers->addresses[0];
	words[1] = headers->addresses[1];
	words[2] = headers->addresses[2];
	words[3] = headers->addresses[3];
	words[4] = last_word(headers->ports.both, headers->nexthdr);
	return true;
}

static __always_inline __u64 sum6(__u64 word)
{
	return (__u64)first_half(word) + second_half(word);
}

static __always_inline __u64 difference6(__u64 old, __u64 new)
{
	return difference(first_half(old), first_half(new)) +
	       difference(second_half(old), second_half(new));
}

static __always_inline void rewrite_header6(struct headers6 *headers,
					    const __u64 *addresses)
{
	headers->hop_limit--;
	headers->addresses[0] = addresses[0];
	headers->addresses[1] = addresses[1];
	headers->addresses[2] = addresses[2];
	headers->addresses[3] = addresses[3];
}

/* Writes new addresses and ports and decrements the hop limit, whatever state the
 * checksum is in. Returns 0 if a write failed half way.
 */
static __always_inline int rewrite6(struct __sk_buff *skb, __u8 protocol,
				    const __u64 *addresses, __be32 ports)
{
	struct headers6 *headers;
	/* The difference of the whole packet, apart from its transport checksum. */
	__u64 packet = difference(bpf_htons(1), 0);
	__u64 changes = 0, pseudo;
	union ports old, new;
	enum change change;
	int word;

	if (!linear(at_tc(skb), NETWORK, sizeof(*headers), (void **)&headers))
		return 0;
	old = headers->ports;
	new.both = ports;
	pseudo = (__u64)headers->payload_len + bpf_htons(protocol);
#pragma unroll
	for (word = 0; word < 4; word++) {
		pseudo += sum6(headers->addresses[word]);
		changes += difference6(headers->addresses[word], addresses[word]);
	}
	rewrite_header6(headers, addresses);
	change = rewrite_transport(skb, NETWORK + sizeof(struct ipv6hdr), protocol, pseudo,
				   changes, old, new);
	/* IPv6 has no header checksum that cancels the addresses. The transport
	 * checksum cancels them.
	 */
	if (change == CHANGED_BY_HELPERS)
		packet += changes;
	/* See enum change. Does nothing if the device computed no sum. */
	bpf_csum_update(skb, fold32(packet));
	return change != NOT_CHANGED;
}

#endif
