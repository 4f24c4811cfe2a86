/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hash that selects the set of a flow in the maps "flows4" and "flows6", shared by
 * the module and the eBPF program. It is keyed, so that nobody can choose flows that
 * fill one set.
 */
#ifndef IP_VS_BPF_HASH_H
#define IP_VS_BPF_HASH_H

#include "ip_vs_bpf_abi.h"

/* The set of a tuple, which is given as 64-bit words: 2 for IPv4, 5 for IPv6. Each word is
 * added to a secret, and the sum is multiplied by its own upper half. So a difference
 * between two words is multiplied by a secret, and later words cannot cancel it without
 * that. For flows with similar ports the last product is far from random, so it is
 * multiplied once more, and the lower half folded into the upper half.
 */
static inline __attribute__((always_inline)) __u32
ipvs_bpf_set(const struct ipvs_bpf_control *control, const __u64 *words, int count)
{
	__u64 hash = control->seed;
	int word;

#ifdef __clang__
#pragma unroll
#else
#pragma GCC unroll 5
#endif
	for (word = 0; word < count; word++) {
		hash += words[word];
		hash *= hash >> 32;
	}
	hash *= hash >> 32;
	hash ^= hash << 32;
	return (hash >> 32) * control->sets >> 32;
}

#define IPVS_BPF_WORDS4 (sizeof(struct ipvs_bpf_tuple4) / sizeof(__u64))
#define IPVS_BPF_WORDS6 (sizeof(struct ipvs_bpf_tuple6) / sizeof(__u64))

#endif
