/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the program. The CLI hands the first two to the module, which alone
 * writes them, but for what the program counts in a lease.
 */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ip_vs_bpf_abi.h"

/* Two entries a session. The CLI sets max_entries when it creates the maps. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * 1048576);
	__type(key, struct ipvs_bpf_tuple4);
	__type(value, struct ipvs_bpf_flow4);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 2 * 1048576);
	__type(key, struct ipvs_bpf_tuple6);
	__type(value, struct ipvs_bpf_flow6);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, IPVS_BPF_COUNTERS_ROOM);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline void count(enum ipvs_bpf_counter counter)
{
	__u32 key = counter;
	__u64 *value = bpf_map_lookup_elem(&counters, &key);

	if (value)
		*value += 1;
}

#endif
