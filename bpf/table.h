/* SPDX-License-Identifier: GPL-2.0-only */
/* Finds the flow of a packet in a map of sets (ip_vs_bpf_abi.h), and reads its slot as
 * it was at one moment: the module may give the slot to another flow meanwhile.
 */
#ifndef TABLE_H
#define TABLE_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ip_vs_bpf_hash.h"
#include "maps.h"

/* Loads before it are done before loads after it. A processor of x86 keeps them in
 * order; elsewhere an atomic operation that fetches is a full barrier.
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

/* The sequence of a set, before anything else of it is read. */
static __always_inline __u32 begin(const __u32 *sequence)
{
	__u32 now = *(const volatile __u32 *)sequence;

	order_loads();
	return now;
}

/* True if all that was read since then belongs together. */
static __always_inline int is_whole(const __u32 *sequence, __u32 begun)
{
	order_loads();
	return !(begun & 1) && *(const volatile __u32 *)sequence == begun;
}

/* The same for all flows; it is always there. */
static __always_inline const struct ipvs_bpf_control *find_control(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&control, &key);
}

static __always_inline struct ipvs_bpf_slot4 *find4(struct ipvs_bpf_set4 *set,
						    const union words4 *flow)
{
	int at;

#pragma unroll
	for (at = 0; at < IPVS_BPF_SLOTS; at++) {
		const __u64 *from = (const __u64 *)&set->slot[at].from;

		if (from[0] == flow->word[0] && from[1] == flow->word[1])
			return &set->slot[at];
	}
	return NULL;
}

/* Ports and protocol first: they differ most often. */
static __always_inline struct ipvs_bpf_slot6 *find6(struct ipvs_bpf_set6 *set,
						    const union words6 *flow)
{
	int at;

#pragma unroll
	for (at = 0; at < IPVS_BPF_SLOTS; at++) {
		const __u64 *from = (const __u64 *)&set->slot[at].from;

		if (from[4] == flow->word[4] && from[0] == flow->word[0] &&
		    from[1] == flow->word[1] && from[2] == flow->word[2] &&
		    from[3] == flow->word[3])
			return &set->slot[at];
	}
	return NULL;
}

#endif
