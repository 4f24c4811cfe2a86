/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of the program. The CLI hands the first three to the module. Only the module
 * writes them, except for two fields of a flow, which the program writes: the count in its
 * lease, and the time of its last packet.
 */
#ifndef MAPS_H
#define MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ip_vs_bpf_abi.h"

/* The CLI sets max_entries when it creates the maps: one set for each session. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ipvs_bpf_set4);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ipvs_bpf_set6);
} flows6 SEC(".maps");

/* Also an array map with one value. The address of the value is in the program. */
struct ipvs_bpf_control control SEC(".data.control") = {};

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
