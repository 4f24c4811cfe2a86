/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the flow of a packet in a map of sets (ip_vs_bpf_abi.h) and reads a consistent
 * snapshot of its slot: the module may give the slot to another flow at the same time.
 *
 * Tuples and slots are read as 64-bit words, which halves the number of instructions.
 */
#ifndef TABLE_H
#define TABLE_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ip_vs_bpf_hash.h"
#include "maps.h"

/* A word made of two halves, in their order in memory. */
static __always_inline __u64 join(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u64)second << 32;
#else
	return (__u64)first << 32 | second;
#endif
}

static __always_inline __u32 first_half(__u64 word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word;
#else
	return word >> 32;
#endif
}

static __always_inline __u32 second_half(__u64 word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word >> 32;
#else
	return word;
#endif
}

/* The n-th 16 bits of a word, in memory order. */
static __always_inline __u16 quarter(__u64 word, int n)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return word >> (16 * n);
#else
	return word >> (48 - 16 * n);
#endif
}

/* The last word of a tuple. */
static __always_inline __u64 last_word(__be32 ports, __u8 protocol)
{
	return join(ports, bpf_htonl((__u32)protocol << 24));
}

/* Loads a word that may be unaligned: processors with eBPF can do that. */
static __always_inline __u64 load(const void *word)
{
	return *(const __u64 *)word;
}

static __always_inline void store(void *word, __u64 value)
{
	*(__u64 *)word = value;
}

/* Orders the loads before it before the loads after it. x86 keeps loads in order.
 * Elsewhere an atomic operation that fetches is a full barrier.
 */
static __always_inline void order_loads(void)
{
#ifdef IPVS_BPF_ORDERED_LOADS
	asm volatile("" ::: "memory");
#else
	__u32 word = 0;

	__sync_fetch_and_add(&word, 1);
	asm volatile("" : : "r"(word) : "memory");
#endif
}

/* A set that is being read. */
struct reading {
	const __u32 *sequence;
	__u32 begun;
};

/* Reads the sequence of a set, before anything else in the set is read. */
static __always_inline struct reading begin(const __u32 *sequence)
{
	struct reading reading = {
		.sequence = sequence,
		.begun = *(const volatile __u32 *)sequence,
	};

	order_loads();
	return reading;
}

/* True if everything read since begin() belongs together. If the number was odd then,
 * the set was being written, and the sequence never returns to the number before it.
 */
static __always_inline int is_whole(const struct reading *reading)
{
	order_loads();
	return *(const volatile __u32 *)reading->sequence == (reading->begun & ~1U);
}

static __always_inline struct ipvs_bpf_slot4 *find4(struct ipvs_bpf_set4 *set,
						    const __u64 *words)
{
	int at;

#pragma unroll
	for (at = 0; at < IPVS_BPF_SLOTS; at++) {
		const struct ipvs_bpf_slot4 *slot = &set->slot[at];

		if (load(&slot->from.saddr) == words[0] &&
		    load(&slot->from.sport) == words[1])
			return &set->slot[at];
	}
	return NULL;
}

/* Ports and protocol first: they differ most often. */
static __always_inline struct ipvs_bpf_slot6 *find6(struct ipvs_bpf_set6 *set,
						    const __u64 *words)
{
	int at;

#pragma unroll
	for (at = 0; at < IPVS_BPF_SLOTS; at++) {
		const struct ipvs_bpf_slot6 *slot = &set->slot[at];

		if (load(&slot->from.sport) == words[4] &&
		    load(&slot->from.saddr[0]) == words[0] &&
		    load(&slot->from.saddr[2]) == words[1] &&
		    load(&slot->from.daddr[0]) == words[2] &&
		    load(&slot->from.daddr[2]) == words[3])
			return &set->slot[at];
	}
	return NULL;
}

#endif
