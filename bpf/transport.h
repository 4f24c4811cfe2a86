/* SPDX-License-Identifier: GPL-2.0-only */
/* A packet at tc and at XDP, shared by both families: how its data is reached, and what
 * is known about it.
 */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <stddef.h>

/* The offset of the network header. */
#define NETWORK ETH_HLEN

/* The ports, at the beginning of TCP and UDP headers. */
union ports {
	struct {
		__be16 source;
		__be16 dest;
	};
	__be32 both;
};

/* SCTP has no leases. */
static __always_inline int has_lease(__u8 protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP;
}

/* A packet as one of the two programs gets it. Every function is inlined, so `xdp` is a
 * constant in each program: what the other one needs takes no instruction.
 */
struct packet {
	void *context; /* struct __sk_buff, or struct xdp_md */
	bool xdp;
};

static __always_inline struct __sk_buff *skb_of(struct packet packet)
{
	return packet.context;
}

static __always_inline struct xdp_md *xdp_of(struct packet packet)
{
	return packet.context;
}

static __always_inline struct packet at_tc(struct __sk_buff *skb)
{
	return (struct packet){ .context = skb };
}

/* The compiler sees a pointer in the context as a 32-bit number and would keep it as
 * one. The verifier sees a pointer only where it is loaded.
 */
#define POINTER(packet, type, field)                                           \
	({                                                                     \
		void *pointer;                                                 \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                          \
			     : "=r"(pointer)                                   \
			     : "r"((packet).context), "i"(offsetof(type, field)));\
		pointer;                                                       \
	})

/* The beginning and the end of what can be read in place: at XDP the whole frame, at tc
 * the linear part of the packet.
 */
static __always_inline void *data(struct packet packet)
{
	return packet.xdp ? POINTER(packet, struct xdp_md, data) :
			    POINTER(packet, struct __sk_buff, data);
}

static __always_inline void *data_end(struct packet packet)
{
	return packet.xdp ? POINTER(packet, struct xdp_md, data_end) :
			    POINTER(packet, struct __sk_buff, data_end);
}

/* The size of the packet in its frame, from the network header on. */
static __always_inline __u32 length_of(struct packet packet, const void *network_header)
{
	return packet.xdp ? data_end(packet) - (void *)network_header :
			    skb_of(packet)->len - NETWORK;
}

/* The size of the segments that the kernel has joined, or 0. At XDP it has joined none. */
static __always_inline __u32 segment_size(struct packet packet)
{
	return packet.xdp ? 0 : skb_of(packet)->gso_size;
}

static __always_inline __u32 ingress_interface(struct packet packet)
{
	return packet.xdp ? xdp_of(packet)->ingress_ifindex : skb_of(packet)->ifindex;
}

/* True if the packet had a VLAN tag that is no longer in its data. A program at XDP
 * cannot see that a device has removed a tag: the CLI refuses such interfaces.
 */
static __always_inline bool has_removed_tag(struct packet packet)
{
	return !packet.xdp && skb_of(packet)->vlan_present;
}

/* The packet continues unchanged, to the module and IPVS. The compiler must not know the
 * verdict: it would keep that in a register from the first test on, and other values on
 * the stack instead.
 */
static __always_inline int pass(struct packet packet)
{
	int verdict = packet.xdp ? (int)XDP_PASS : TC_ACT_UNSPEC;

	asm volatile("" : "+r"(verdict));
	return verdict;
}

/* Finds a part of the packet. Returns false if the linear part ends before. (A returned
 * pointer that may be NULL would be compared with NULL once more.)
 */
static __always_inline bool linear(struct packet packet, __u32 offset, __u32 size,
				   void **found)
{
	*found = data(packet) + offset;
	return *found + size <= data_end(packet);
}

/* Like linear(), but at tc pulls the data into the linear part if needed, which
 * invalidates all earlier pointers. Returns false if the packet ends before. Every other
 * helper that changes the packet also invalidates them.
 */
static __always_inline bool at(struct packet packet, __u32 offset, __u32 size, void **found)
{
	return linear(packet, offset, size, found) ||
	       (!packet.xdp && !bpf_skb_pull_data(skb_of(packet), offset + size) &&
		linear(packet, offset, size, found));
}

/* Like at(), for a part that was found with a smaller size. */
static __always_inline bool more(struct packet packet, __u32 offset, __u32 size, void **found)
{
	return *found + size <= data_end(packet) || at(packet, offset, size, found);
}

#endif
