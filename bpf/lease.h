/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of the fast path that both families share: which packets may take it, and
 * how they leave. kmod/session/leases.c gives the leases.
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
#include "table.h"
#include "transport.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
/* The two link-layer addresses at the beginning of a frame. */
#define MACS_SIZE 12

/* The offsets in the TCP header of its size and its flags. */
#define TCP_SIZE_AT 12
#define TCP_FLAGS_AT 13

/* How a packet leaves, a snapshot of its lease, and where it is counted. */
struct way {
	__u64 interfaces; /* iif, ifindex */
	__u64 macs;       /* the first 8 bytes; macs_rest has the last 4 */
	__u32 macs_rest;
	__u64 *forwarded;
	__u32 *last;
	__u64 now;
};

static __always_inline struct way way_out(struct ipvs_bpf_lease *lease, __u32 *last, __u64 now)
{
	return (struct way){
		.interfaces = load(&lease->iif),
		.macs = load(&lease->macs[0]),
		.macs_rest = lease->macs[2],
		.forwarded = &lease->forwarded,
		.last = last,
		.now = now,
	};
}

/* The MTU and the sums of a lease are read as one word. */
static __always_inline __u16 mtu(__u64 sums)
{
	return quarter(sums, 0);
}

static __always_inline __u16 header_sum(__u64 sums)
{
	return quarter(sums, 1);
}

static __always_inline __u16 transport_sum(__u64 sums)
{
	return quarter(sums, 2);
}

static __always_inline __u16 pseudo_sum(__u64 sums)
{
	return quarter(sums, 3);
}

/* The bytes of a link-layer address in a word. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define MAC_MASK 0x0000ffffffffffffULL
#else
#define MAC_MASK 0xffffffffffff0000ULL
#endif

/* A promiscuous interface also receives frames for other hosts: these are not
 * forwarded. frame is the beginning of the frame.
 */
static __always_inline int is_for_us(struct packet packet, const void *frame, __u64 to)
{
	return packet.xdp ? !((load(frame) ^ to) & MAC_MASK) :
			    skb_of(packet)->pkt_type == PACKET_HOST;
}

/* Some devices lose what a program at XDP sends them, see kmod/session/xdp.c. */
static __always_inline int can_leave(struct packet packet, __u64 to)
{
	return !packet.xdp || quarter(to, 3);
}

/* True if the port is one of the bond's: a frame comes in there before the bond has it. */
static __always_inline int is_port(__u32 port, __u32 bond)
{
	__u64 wanted = (__u64)bond << 32 | port;
	int at;

#pragma clang loop unroll(disable)
	for (at = 0; at < IPVS_BPF_PORTS; at++) {
		if (control.ports[at] == wanted)
			return 1;
	}
	return 0;
}

static __always_inline int comes_in_at(struct packet packet, __u32 interface)
{
	__u32 in = ingress_interface(packet);

	return __builtin_expect(in == interface, 1) || (packet.xdp && is_port(in, interface));
}

/* Packets that come in by another interface than the flow's are not forwarded. */
static __always_inline int is_valid(struct packet packet, const void *frame,
				    const struct ipvs_bpf_lease *lease, __u64 now)
{
	__u64 to;

	if (lease->until <= now || lease->generation != control.generation ||
	    !comes_in_at(packet, lease->iif))
		return 0;
	/* The address, and xdp. */
	to = load(&lease->to);
	return is_for_us(packet, frame, to) && can_leave(packet, to);
}

/* True if a packet that exceeds the MTU will be cut into segments that fit. headers is
 * the size of the IP and transport headers.
 */
static __always_inline int fits_cut(struct packet packet, __u32 headers, __u64 sums)
{
	__u32 segment = segment_size(packet);

	return segment && headers + segment <= mtu(sums);
}

/* True if the program alone can forward the packet: the packet advances no state of
 * IPVS, its lengths are right, and its frame fits the MTU. (ip_rcv_core() drops a
 * packet that is longer than its frame or shorter than its headers.) network is the
 * size of the IP header, size that of the packet.
 */
static __always_inline int is_for_fast_path(struct packet packet,
					    const void *iph, __u8 protocol,
					    __u32 network, __u32 size, __u64 sums)
{
	const __u8 *transport = iph + network;
	__u32 headers = network + sizeof(struct udphdr);
	__u32 length = length_of(packet, iph);

	if (protocol == IPPROTO_TCP) {
		if (transport[TCP_FLAGS_AT] & (TCP_FIN | TCP_SYN | TCP_RST))
			return 0;
		headers = network + (transport[TCP_SIZE_AT] >> 4) * 4;
		if (headers < network + sizeof(struct tcphdr))
			return 0;
	}
	if (size > length || size < headers)
		return 0;
	return length <= mtu(sums) || fits_cut(packet, headers, sums);
}

/* Drops a packet that is already half translated. */
static __always_inline int rewrite_failed(void)
{
	count(IPVS_BPF_REWRITE_FAILED);
	return TC_ACT_SHOT;
}

/* Sends a translated packet. */
static __always_inline int leave(struct packet packet, __u32 *frame, __u32 size,
				 const struct way *way)
{
	store(&frame[0], way->macs);
	frame[2] = way->macs_rest;
	*way->last = way->now;
	/* The packets of a flow may come in on several CPUs. */
	__sync_fetch_and_add(way->forwarded,
			     ((__u64)size << IPVS_BPF_PACKET_BITS) + 1);
	if (packet.xdp) {
		count(IPVS_BPF_XDP_PACKETS);
		if (second_half(way->interfaces) == first_half(way->interfaces))
			return XDP_TX;
	}
	return bpf_redirect(second_half(way->interfaces), 0);
}

#endif
