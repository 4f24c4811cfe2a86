/* SPDX-License-Identifier: GPL-2.0-only */
/* The fast path, as far as both families share it: whether a packet may take
 * it, and its way out. kmod/leases.c gives the leases.
 */
#ifndef LEASE_H
#define LEASE_H

#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>

#include "ip_vs_bpf_abi.h"
#include "transport.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
/* Of the flags in the TCP header. */
#define TCP_FLAGS_AT 13

/* A frame for another host, which a promiscuous interface hears, is nobody's to
 * forward; nor is one that comes in elsewhere than the flow did.
 */
static __always_inline int lease_is_valid(struct __sk_buff *skb,
					  const struct ipvs_bpf_lease *lease,
					  const struct ipvs_bpf_control *of_all,
					  __u64 now)
{
	return lease->until > now && lease->generation == of_all->generation &&
	       skb->pkt_type == PACKET_HOST && lease->iif == skb->ifindex;
}

/* Where a packet that goes is counted, and the time that is noted. */
struct tally {
	__u64 *forwarded;
	__u32 *last;
	__u32 now;
};

/* Whether a packet that is larger than the next link takes will be cut into
 * segments that are not. headers: of IP and transport.
 */
static __always_inline int fits_cut(struct __sk_buff *skb, __u32 headers,
				    const struct ipvs_bpf_lease *lease)
{
	__u32 segment = skb->gso_size;

	return segment && headers + segment <= lease->mtu;
}

/* Whether a packet leaves everything to the program: it advances no state of
 * IPVS's, its lengths are right (ip_rcv_core() drops what is longer than its frame or
 * shorter than its headers), and its frame fits where it goes. frame has its headers,
 * of which the IP header is of that size.
 */
static __always_inline int is_for_fast_path(struct __sk_buff *skb,
					    const void *frame, __u8 protocol,
					    __u32 network, __u32 size,
					    const struct ipvs_bpf_lease *lease)
{
	const __u8 *transport = frame + NETWORK + network;
	__u32 headers = network + sizeof(struct udphdr);
	__u32 length = skb->len - NETWORK;

	if (protocol == IPPROTO_TCP) {
		if (transport[TCP_FLAGS_AT] & (TCP_FIN | TCP_SYN | TCP_RST))
			return 0;
		headers = network + (transport[TCP_FLAGS_AT - 1] >> 4) * 4;
		if (headers < network + sizeof(struct tcphdr))
			return 0;
	}
	if (size > length || size < headers)
		return 0;
	return length <= lease->mtu || fits_cut(skb, headers, lease);
}

/* How much of a frame the fast path reads and writes. */
static __always_inline __u32 fast_size(__u8 protocol, __u32 network)
{
	return NETWORK + network + (protocol == IPPROTO_TCP ?
				    sizeof(struct tcphdr) : sizeof(struct udphdr));
}

/* The packet is translated, and goes. */
static __always_inline int leave(__u32 *frame, __u32 size,
				 const struct ipvs_bpf_lease *lease,
				 const struct tally *tally)
{
	frame[0] = lease->macs[0];
	frame[1] = lease->macs[1];
	frame[2] = lease->macs[2];
	/* The packets of a flow may come in on several CPUs. */
	*tally->last = tally->now;
	__sync_fetch_and_add(tally->forwarded,
			     ((__u64)size << IPVS_BPF_PACKET_BITS) + 1);
	return bpf_redirect(lease->ifindex, 0);
}

#endif
