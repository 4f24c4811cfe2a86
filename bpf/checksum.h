/* SPDX-License-Identifier: GPL-2.0-only */
/* Incremental updates (RFC 1624) of the Internet checksum (RFC 1071). A difference is
 * the one's complement sum of the new words and the complements of the old words. Words
 * have 16 or 32 bits and are in network byte order.
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

/* The difference between two 32-bit words. Fewer than 2^32 of them can be summed
 * without overflow.
 */
static __always_inline __u64 difference(__be32 old, __be32 new)
{
	return (__u64)(__u32)~old + new;
}

static __always_inline __u32 fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (sum & 0xffffffff) + (sum >> 32);
}

static __always_inline __u16 fold16(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* Adds two 16-bit one's complement sums. */
static __always_inline __u16 add16(__u16 a, __u16 b)
{
	__u32 sum = (__u32)a + b;

	return sum + (sum >> 16);
}

static __always_inline __sum16 changed(__sum16 check, __u64 difference)
{
	return ~fold16((__u16)~check + difference);
}

enum change {
	CHANGED,
	/* The helpers also subtracted the change of the addresses from the device's sum
	 * (CHECKSUM_COMPLETE). This is right for IPv4: there the header checksum cancels
	 * the addresses, and the transport checksum cancels the ports, and the addresses
	 * once more. They leave a datagram without a checksum as it was, but only a joined
	 * one would get here, and the kernel joins none of these.
	 */
	CHANGED_BY_HELPERS,
	NOT_CHANGED,
};

/* Adds to the sum that a device computed of the packet (CHECKSUM_COMPLETE), if there is
 * one. A frame at XDP has none.
 */
static __always_inline void update_device_sum(struct packet packet, __u32 sum)
{
	if (!packet.xdp)
		bpf_csum_update(skb_of(packet), sum);
}

/* The offset of the transport checksum in the packet. */
static __always_inline __u32 checksum_at(__u32 transport, __u8 protocol)
{
	return transport + (protocol == IPPROTO_UDP ? offsetof(struct udphdr, check) :
						      offsetof(struct tcphdr, check));
}

/* Changes a checksum that may be partial. The helpers know what the device has yet to
 * do, and do the rest.
 */
static __always_inline enum change change_partial(struct __sk_buff *skb, __u32 offset,
					__u8 protocol, __u64 addresses,
					__be32 old_ports, __be32 new_ports)
{
	__u64 flags = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

	if (bpf_l4_csum_replace(skb, offset, 0, fold32(addresses),
				flags | BPF_F_PSEUDO_HDR) ||
	    bpf_l4_csum_replace(skb, offset, old_ports, new_ports,
				flags | sizeof(__be32)))
		return NOT_CHANGED;
	return CHANGED_BY_HELPERS;
}

/* True if the checksum may be partial (CHECKSUM_PARTIAL): the sum of the pseudo-header
 * alone, which the device finishes and which only the addresses change. A program
 * cannot see that state. A checksum with another value, in a packet that will not be
 * cut into segments, is whole. A few whole checksums equal that sum by chance: they are
 * left to the helpers as well. The pseudo-header is not all 0, so its sum is not 0.
 */
static __always_inline int may_be_partial(struct packet packet, __sum16 check,
					  __u16 pseudo)
{
	return check == pseudo || segment_size(packet);
}

/* Changes a whole checksum. change is added to the sum. Returns false if the packet has no
 * checksum: 0 means that (RFC 768; RFC 6935 for IPv6), so a sum of 0 is sent as 0xffff.
 */
static __always_inline bool change_whole(__sum16 *check, __u8 protocol, __u16 change)
{
	if (protocol == IPPROTO_TCP) {
		*check = ~add16(~*check, change);
		return true;
	}
	if (!*check)
		return false;
	/* The result is not 0. */
	*check = add16(*check, ~change);
	return true;
}

/* Writes new ports and updates the checksum for them and for the new addresses. */
static __always_inline enum change rewrite_transport(struct __sk_buff *skb,
					     __u32 transport, __u8 protocol,
					     __u64 pseudo, __u64 addresses,
					     union ports old, union ports new)
{
	__u32 offset = checksum_at(transport, protocol);
	union ports *ports;
	__sum16 *check;

	if (!at(at_tc(skb), transport, sizeof(*ports), (void **)&ports))
		return NOT_CHANGED;
	ports->both = new.both;
	if (!at(at_tc(skb), offset, sizeof(*check), (void **)&check))
		return NOT_CHANGED;
	if (may_be_partial(at_tc(skb), *check, fold16(pseudo)))
		return change_partial(skb, offset, protocol, addresses, old.both,
				    new.both);
	change_whole(check, protocol,
		   fold16(addresses + difference(old.both, new.both)));
	return CHANGED;
}

#endif
