/* SPDX-License-Identifier: GPL-2.0-only */
/* Access to the data of a packet, shared by both families. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
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

/* The compiler sees a pointer in the context as a 32-bit number and would keep it as
 * one. The verifier sees a pointer only where it is loaded.
 */
#define POINTER(skb, field)                                                    \
	({                                                                     \
		void *pointer;                                                 \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                          \
			     : "=r"(pointer)                                   \
			     : "r"(skb), "i"(offsetof(struct __sk_buff, field)));\
		pointer;                                                       \
	})

/* Finds a part of the packet. Returns false if the linear part ends before. (A returned
 * pointer that may be NULL would be compared with NULL once more.)
 */
static __always_inline bool linear(struct __sk_buff *skb, __u32 offset, __u32 size,
				   void **found)
{
	*found = POINTER(skb, data) + offset;
	return *found + size <= POINTER(skb, data_end);
}

/* Like linear(), but pulls the data into the linear part if needed, which invalidates
 * all earlier pointers. Returns false if the packet ends before. Every other helper
 * that changes the packet also invalidates them.
 */
static __always_inline bool at(struct __sk_buff *skb, __u32 offset, __u32 size, void **found)
{
	return linear(skb, offset, size, found) ||
	       (!bpf_skb_pull_data(skb, offset + size) &&
		linear(skb, offset, size, found));
}

/* Like at(), for a part that was found with a smaller size. */
static __always_inline bool more(struct __sk_buff *skb, __u32 offset, __u32 size, void **found)
{
	return *found + size <= POINTER(skb, data_end) || at(skb, offset, size, found);
}

#endif
