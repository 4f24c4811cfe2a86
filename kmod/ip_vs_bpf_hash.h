/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a flow is in the maps "flows4" and "flows6": the hash that the module and the
 * eBPF program share. It is keyed, so that nobody can choose flows which fill one set.
 */
#ifndef IP_VS_BPF_HASH_H
#define IP_VS_BPF_HASH_H

#include "ip_vs_bpf_abi.h"

/* The upper half of a product depends on every bit of what is multiplied. */
static inline __attribute__((always_inline)) __u64 ipvs_bpf_mix(__u64 hash, __u64 word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* The set of a tuple, given as words of 64 bits: IPv4 has 2, IPv6 has 5. */
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
	for (word = 0; word < count; word++)
		hash = ipvs_bpf_mix(hash, words[word]);
	return (hash >> 32) * control->sets >> 32;
}

#define IPVS_BPF_WORDS4 (sizeof(struct ipvs_bpf_tuple4) / sizeof(__u64))
#define IPVS_BPF_WORDS6 (sizeof(struct ipvs_bpf_tuple6) / sizeof(__u64))

#endif
