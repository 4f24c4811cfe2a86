/* SPDX-License-Identifier: GPL-2.0-only */
/* The Internet checksum (RFC 1071), mended by differences (RFC 1624). A
 * difference is the one's complement sum of the new words and of the
 * complements of the old ones; both may be of 32 bits, in network byte order.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <stddef.h>

#include "transport.h"

/* Of two words of 32 bits; sums of fewer than 2^32 of them can be added up. */
static __always_inline __u64 difference(__be32 old, __be32 new)
{
	return (__u64)(__u32)~old + new;
}

static __always_inline __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

static __always_inline __sum16 mended(__sum16 check, __u64 difference)
{
	__u64 sum = (__u16)~check + (__u64)fold32(difference);

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* SCTP's checksum covers the ports, and they stay; it covers no address. */
static __always_inline int has_checksum(__u8 protocol)
{
	return protocol != IPPROTO_SCTP;
}

/* A checksum that the device has found right, and nobody sums up again. */
static __always_inline int mend_verified(struct __sk_buff *skb, __u32 offset,
					 __u8 protocol, __u64 difference)
{
	__sum16 *check = at(skb, offset, sizeof(*check));
	__sum16 new;

	if (!check)
		return -1;
	/* There is none (RFC 768; RFC 6935 for IPv6). */
	if (protocol == IPPROTO_UDP && !*check)
		return 0;
	new = mended(*check, difference);
	if (protocol == IPPROTO_UDP && !new)
		new = 0xffff;
	*check = new;
	return 0;
}

/* Mends the checksum of the transport header at that offset for new addresses
 * and ports, which may be in the packet already. The helpers leave a partial
 * checksum to the device, but for the pseudo-header.
 */
static __always_inline int mend_transport(struct __sk_buff *skb, __u32 transport,
					  __u8 protocol, __u64 addresses,
					  __be32 old_ports, __be32 new_ports)
{
	__u64 flags = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 offset = transport + (protocol == IPPROTO_UDP ?
				    offsetof(struct udphdr, check) :
				    offsetof(struct tcphdr, check));

	if (!has_checksum(protocol))
		return 0;
	if (bpf_csum_level(skb, BPF_CSUM_LEVEL_QUERY) >= 0)
		return mend_verified(skb, offset, protocol,
				     addresses + difference(old_ports, new_ports));
	if (bpf_l4_csum_replace(skb, offset, 0, fold32(addresses),
				flags | BPF_F_PSEUDO_HDR))
		return -1;
	return bpf_l4_csum_replace(skb, offset, old_ports, new_ports,
				   flags | sizeof(__be32)) ? -1 : 0;
}

#endif
