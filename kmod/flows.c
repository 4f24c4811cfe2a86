// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the session maps say about a flow, in either family, for the packets
 * that the programs do not translate: fragments, extension headers, and what
 * stands in ICMP errors.
 *
 * An element of a map may be used anew for another key while we read it, also
 * under RCU. So what it makes of a packet is copied, and it counts if a second
 * look at the same key finds the same.
 */
#include "flows.h"

static void *lookup(struct bpf_map *map, const void *key)
{
	return map->ops->map_lookup_elem(map, (void *)key);
}

static bool read(struct bpf_map *map, const void *key, void *entry, size_t size)
{
	const void *found = lookup(map, key);

	if (!found)
		return false;
	memcpy(entry, found, size);
	found = lookup(map, key);
	return found && !memcmp(found, entry, size);
}

static bool find4(struct bpf_map *map, const struct flow *flow,
		  struct translation *to)
{
	struct ipvs_bpf_session4 entry;
	const size_t size = offsetof(struct ipvs_bpf_session4, lease);
	struct ipvs_bpf_tuple4 key = {
		.saddr = flow->saddr.ip,
		.daddr = flow->daddr.ip,
		.sport = flow->sport,
		.dport = flow->dport,
		.protocol = flow->protocol,
	};

	if (!read(map, &key, &entry, size))
		return false;
	to->flow.saddr.ip = entry.saddr;
	to->flow.daddr.ip = entry.daddr;
	to->flow.sport = entry.sport;
	to->flow.dport = entry.dport;
	to->service = entry.service;
	to->direction = entry.direction;
	return true;
}

static bool find6(struct bpf_map *map, const struct flow *flow,
		  struct translation *to)
{
	struct ipvs_bpf_session6 entry;
	const size_t size = offsetof(struct ipvs_bpf_session6, lease);
	struct ipvs_bpf_tuple6 key = {
		.sport = flow->sport,
		.dport = flow->dport,
		.protocol = flow->protocol,
	};

	memcpy(key.saddr, &flow->saddr, sizeof(key.saddr));
	memcpy(key.daddr, &flow->daddr, sizeof(key.daddr));
	if (!read(map, &key, &entry, size))
		return false;
	memcpy(&to->flow.saddr, entry.saddr, sizeof(entry.saddr));
	memcpy(&to->flow.daddr, entry.daddr, sizeof(entry.daddr));
	to->flow.sport = entry.sport;
	to->flow.dport = entry.dport;
	to->service = entry.service;
	to->direction = entry.direction;
	return true;
}

/* Under RCU. false: the flow is of no session. */
bool flow_find(struct director *director, const struct flow *flow,
	       struct translation *to)
{
	struct maps *maps = rcu_dereference(director->maps);

	if (!maps)
		return false;
	memset(to, 0, sizeof(*to));
	to->flow.family = flow->family;
	to->flow.protocol = flow->protocol;
	return flow->family == AF_INET6 ? find6(maps->sessions6, flow, to) :
					  find4(maps->sessions4, flow, to);
}
