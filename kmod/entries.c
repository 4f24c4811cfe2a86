// SPDX-License-Identifier: GPL-2.0-only
/*
 * The entries of the maps flows4 and flows6: the only file that knows their shapes.
 * Keys are compared byte by byte: each is assigned whole, which zeroes its padding.
 *
 * All is called under RCU, with bottom halves off, and under the lock of the session's
 * original flow (leases.c).
 */
#include "entries.h"

union map_key {
	struct ipvs_bpf_tuple4 v4;
	struct ipvs_bpf_tuple6 v6;
};

static struct bpf_map *map_of(const struct maps *maps, u8 family)
{
	return family == AF_INET6 ? maps->flows6 : maps->flows4;
}

static void make_key(const struct flow *flow, union map_key *key)
{
	if (flow->family == AF_INET6) {
		key->v6 = (struct ipvs_bpf_tuple6){
			.sport = flow->sport,
			.dport = flow->dport,
			.protocol = flow->protocol,
		};
		memcpy(key->v6.saddr, &flow->saddr, sizeof(key->v6.saddr));
		memcpy(key->v6.daddr, &flow->daddr, sizeof(key->v6.daddr));
		return;
	}
	key->v4 = (struct ipvs_bpf_tuple4){
		.saddr = flow->saddr.ip,
		.daddr = flow->daddr.ip,
		.sport = flow->sport,
		.dport = flow->dport,
		.protocol = flow->protocol,
	};
}

static void make_value(const struct flow *to, union entry *entry)
{
	if (to->family == AF_INET6) {
		entry->v6 = (struct ipvs_bpf_flow6){
			.sport = to->sport,
			.dport = to->dport,
		};
		memcpy(entry->v6.saddr, &to->saddr, sizeof(entry->v6.saddr));
		memcpy(entry->v6.daddr, &to->daddr, sizeof(entry->v6.daddr));
		return;
	}
	entry->v4 = (struct ipvs_bpf_flow4){
		.saddr = to->saddr.ip,
		.daddr = to->daddr.ip,
		.sport = to->sport,
		.dport = to->dport,
	};
}

union entry *entry_find(const struct maps *maps, const struct flow *flow)
{
	struct bpf_map *map = map_of(maps, flow->family);
	union map_key key;

	make_key(flow, &key);
	return map->ops->map_lookup_elem(map, &key);
}

/* In the place of the one that is there. It has no lease. */
int entry_write(const struct maps *maps, const struct flow *flow,
		const struct flow *to)
{
	struct bpf_map *map = map_of(maps, flow->family);
	union entry entry;
	union map_key key;

	make_key(flow, &key);
	make_value(to, &entry);
	return map->ops->map_update_elem(map, &key, &entry, BPF_ANY);
}

/* The map refuses while something else holds its bucket, for a moment. */
int entry_delete(const struct maps *maps, const struct flow *flow)
{
	struct bpf_map *map = map_of(maps, flow->family);
	int try, err = 0;
	union map_key key;

	make_key(flow, &key);
	for (try = 0; try < 8; try++) {
		err = map->ops->map_delete_elem(map, &key);
		if (!err || err == -ENOENT)
			return 0;
		cpu_relax();
	}
	return err;
}

/* Whether the entry makes that flow of a packet. */
bool entry_makes(const union entry *entry, const struct flow *to)
{
	if (to->family == AF_INET6)
		return entry->v6.sport == to->sport && entry->v6.dport == to->dport &&
		       !memcmp(entry->v6.saddr, &to->saddr, sizeof(entry->v6.saddr)) &&
		       !memcmp(entry->v6.daddr, &to->daddr, sizeof(entry->v6.daddr));
	return entry->v4.saddr == to->saddr.ip && entry->v4.daddr == to->daddr.ip &&
	       entry->v4.sport == to->sport && entry->v4.dport == to->dport;
}

struct ipvs_bpf_lease *entry_lease(u8 family, union entry *entry)
{
	return family == AF_INET6 ? &entry->v6.lease : &entry->v4.lease;
}
