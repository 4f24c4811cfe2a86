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

/* A snapshot of a lease, and the counters of its packets. */
struct way {
	__u64 until;
	__u32 generation;
	__u32 iif;
	__u32 ifindex;
	__u64 macs; /* the first 8 bytes; macs_rest has the last 4 */
	__u32 macs_rest;
	__u64 sums; /* mtu, header, transport, pseudo */
	__u64 to;   /* only read at XDP: the 6 bytes of to, and xdp */
	__u64 *forwarded;
	__u32 *last;
	__u64 now;
};

static __always_inline void read_lease(struct way *way, struct ipvs_bpf_lease *lease,
				       __u32 *last)
{
	way->until = lease->until;
	way->generation = lease->generation;
	way->iif = lease->iif;
	way->ifindex = lease->ifindex;
	way->macs = load(&lease->macs[0]);
	way->macs_rest = lease->macs[2];
	way->sums = load(&lease->mtu);
	way->to = load(&lease->to);
	way->forwarded = &lease->forwarded;
	way->last = last;
}

static __always_inline __u16 mtu(const struct way *way)
{
	return quarter(way->sums, 0);
}

static __always_inline __u16 header_sum(const struct way *way)
{
	return quarter(way->sums, 1);
}

static __always_inline __u16 transport_sum(const struct way *way)
{
	return quarter(way->sums, 2);
}

static __always_inline __u16 pseudo_sum(const struct way *way)
{
	return quarter(way->sums, 3);
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
static __always_inline int is_for_us(struct packet packet, const void *frame,
				     const struct way *way)
{
	return packet.xdp ? !((load(frame) ^ way->to) & MAC_MASK) :
			    skb_of(packet)->pkt_type == PACKET_HOST;
}

/* Some devices lose what a program at XDP sends them, see kmod/session/xdp.c. */
static __always_inline int can_leave(struct packet packet, const struct way *way)
{
	return !packet.xdp || quarter(way->to, 3);
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
				    const struct way *way)
{
	return way->until > way->now && way->generation == control.generation &&
	       comes_in_at(packet, way->iif) && is_for_us(packet, frame, way) &&
	       can_leave(packet, way);
}

/* True if a packet that exceeds the MTU will be cut into segments that fit. headers is
 * the size of the IP and transport headers.
 */
static __always_inline int fits_cut(struct packet packet, __u32 headers,
				    const struct way *way)
{
	__u32 segment = segment_size(packet);

	return segment && headers + segment <= mtu(way);
}

/* True if the program alone can forward the packet: the packet advances no state of
 * IPVS, its lengths are right, and its frame fits the MTU. (ip_rcv_core() drops a
 * packet that is longer than its frame or shorter than its headers.) network is the
 * size of the IP header, size that of the packet.
 */
static __always_inline int is_for_fast_path(struct packet packet,
					    const void *iph, __u8 protocol,
					    __u32 network, __u32 size,
					    const struct way *way)
{
	const __u8 *transport = iph + network;
	__u32 headers = network + sizeof(struct udphdr);
	__u32 length = frame_size(packet) - NETWORK;

	if (protocol == IPPROTO_TCP) {
		if (transport[TCP_FLAGS_AT] & (TCP_FIN | TCP_SYN | TCP_RST))
			return 0;
		headers = network + (transport[TCP_SIZE_AT] >> 4) * 4;
		if (headers < network + sizeof(struct tcphdr))
			return 0;
	}
	if (size > length || size < headers)
		return 0;
	return length <= mtu(way) || fits_cut(packet, headers, way);
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
		if (way->ifindex == way->iif)
			return XDP_TX;
	}
	return bpf_redirect(way->ifindex, 0);
}

#endif
