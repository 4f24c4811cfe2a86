/* SPDX-License-Identifier: GPL-2.0-only */
/* What reading and rewriting packets of both families share. */
#ifndef TRANSPORT_H
#define TRANSPORT_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <stdbool.h>
#include <stddef.h>

/* Where the network header begins. */
#define NETWORK ETH_HLEN

/* TCP and UDP headers begin with them. */
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

/* A pointer in the context is a number of 32 bits to the compiler, which would
 * keep it as one, and a pointer to the verifier only where it is loaded.
 */
#define POINTER(skb, field)                                                    \
	({                                                                     \
		void *pointer;                                                 \
		asm volatile("%0 = *(u32 *)(%1 + %2)"                          \
			     : "=r"(pointer)                                   \
			     : "r"(skb), "i"(offsetof(struct __sk_buff, field)));\
		pointer;                                                       \
	})

/* Finds that part of the packet. false: the linear part ends before. (A pointer that may
 * be NULL would be compared with it once more.)
 */
static __always_inline bool linear(struct __sk_buff *skb, __u32 offset, __u32 size,
				   void **found)
{
	*found = POINTER(skb, data) + offset;
	return *found + size <= POINTER(skb, data_end);
}

/* The same, fetched into the linear part if need be, which ends the life of every earlier
 * pointer. false: the packet ends before. Every call of a helper that changes the packet
 * ends them, too.
 */
static __always_inline bool at(struct __sk_buff *skb, __u32 offset, __u32 size, void **found)
{
	return linear(skb, offset, size, found) ||
	       (!bpf_skb_pull_data(skb, offset + size) &&
		linear(skb, offset, size, found));
}

/* The same of what was found with a smaller size. */
static __always_inline bool more(struct __sk_buff *skb, __u32 offset, __u32 size, void **found)
{
	return *found + size <= POINTER(skb, data_end) || at(skb, offset, size, found);
}

#endif
