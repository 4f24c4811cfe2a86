/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the receiver. The CLI writes toa_trust and reads the counters. */
#ifndef TOA_MAPS_H
#define TOA_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi.h"

struct address {
	__be32 word[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct toa_prefix);
	__type(value, struct toa_trusted);
} toa_trust SEC(".maps");

/* The client of a socket. Freed with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct toa_client);
} toa_clients SEC(".maps");

/* The clients of Multipath TCP connections, from the end of the handshake until the
 * server asks for the first time: the server's socket is not the socket of the
 * handshake. When the map is full, the oldest entries are evicted.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct toa_tuple);
	__type(value, struct toa_client);
} toa_mptcp SEC(".maps");

/* Trusted addresses are few. When the map is full, further addresses count only in the
 * totals.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct address);
	__type(value, struct toa_counts);
} toa_local_ips SEC(".maps");

/* Other addresses can be many: the most recent ones are kept. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct address);
	__type(value, struct toa_counts);
} toa_strangers SEC(".maps");

/* The totals by outcome, over all addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TOA_OUTCOMES);
	__type(key, __u32);
	__type(value, __u64);
} toa_totals SEC(".maps");

static __always_inline void count_in(void *map, const struct address *from,
				     enum toa_outcome outcome)
{
	struct toa_counts *counts = bpf_map_lookup_elem(map, from);

	if (!counts) {
		struct toa_counts none = {};

		/* Another CPU may have added it first. */
		bpf_map_update_elem(map, from, &none, BPF_NOEXIST);
		counts = bpf_map_lookup_elem(map, from);
	}
	if (counts)
		__sync_fetch_and_add(&counts->count[outcome], 1);
}

static __always_inline void count(const struct address *from, enum toa_outcome outcome)
{
	__u32 key = outcome;
	__u64 *total = bpf_map_lookup_elem(&toa_totals, &key);

	if (total)
		*total += 1;
	if (outcome == TOA_REFUSED)
		count_in(&toa_strangers, from, outcome);
	else
		count_in(&toa_local_ips, from, outcome);
}

#endif
