/* SPDX-License-Identifier: GPL-2.0-only */
/* The counters of a director: the lines of /proc/net/ip_vs_bpf/stats. */
#ifndef IP_VS_BPF_TABLE_COUNTERS
#define IP_VS_BPF_TABLE_COUNTERS

#include <linux/percpu.h>

#include "table/director.h"

static inline void count_many(struct director *director, enum counter counter,
			      u64 many)
{
	this_cpu_add(director->stats->value[counter], many);
}

static inline void count(struct director *director, enum counter counter)
{
	this_cpu_inc(director->stats->value[counter]);
}

#endif
