// SPDX-License-Identifier: GPL-2.0-only
/*
 * The eBPF maps of the fast path, which userspace hands over by writing to
 * /proc/net/ip_vs_bpf/map:
 *
 *     flows4 FD flows6 FD control FD
 *
 * with file descriptors of the writing process, or "none" to give them back. They may
 * be replaced at any time, even while there are sessions: the maps are a cache, and new
 * ones start empty. A read returns the registered maps, one per line: name, id, type,
 * key size, value size, entries.
 */
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "control/proc.h"
#include "control/text.h"
#include "session/bond_ports.h"
#include "session/leases.h"
#include "table/flow_table.h"

/* The expected shapes of the program's maps. */
struct shape {
	const char *name;
	u32 value_size;
};

static const struct shape flows4_shape = { "flows4", sizeof(struct ipvs_bpf_set4) };
static const struct shape flows6_shape = { "flows6", sizeof(struct ipvs_bpf_set6) };
static const struct shape control_shape = { "control", sizeof(struct ipvs_bpf_control) };

static struct maps *maps_of(struct director *director)
{
	return rcu_dereference_protected(director->maps,
					 lockdep_is_held(&director->config));
}

/* Takes "NAME FD" off the text and turns it into a map of that shape. */
static struct bpf_map *take(struct director *director, char **text,
			    const struct shape *shape)
{
	char *error = director->map_error;
	struct bpf_map *map;
	char *name, *number;
	u32 fd;

	name = strsep(text, " ");
	number = strsep(text, " ");
	if (!name || strcmp(name, shape->name) || !number ||
	    kstrtou32(number, 10, &fd))
		return ERR_PTR(ivb_refuse(error, -EINVAL, 0,
			"expected \"flows4 FD flows6 FD control FD\" or \"none\""));
	map = compat_map_get(fd);
	if (IS_ERR(map)) {
		ivb_refuse(error, 0, 0,
			   "%s: %u is not a descriptor of " COMPAT_MAP_DESCRIPTOR,
			   shape->name, fd);
		return map;
	}
	/* A map that is offloaded to a device has no values in memory. */
	if (map->map_type == BPF_MAP_TYPE_ARRAY && map->value_size == shape->value_size &&
	    !map->map_flags && map->ops->map_lookup_elem && compat_map_is_plain(map) &&
	    !READ_ONCE(map->frozen))
		return map;
	ivb_refuse(error, 0, 0,
		   "%s: the map has type %u, value %u bytes, flags %#x; this module needs type %u, value %u, no flags, not frozen and without kernel fields",
		   shape->name, map->map_type, map->value_size, map->map_flags,
		   BPF_MAP_TYPE_ARRAY, shape->value_size);
	bpf_map_put(map);
	return ERR_PTR(-EINVAL);
}

static bool is_same(const struct maps *one, const struct maps *other)
{
	return one && one->flows[IPV4] == other->flows[IPV4] &&
	       one->flows[IPV6] == other->flows[IPV6] && one->control == other->control;
}

/* True if the two share a map. Leases go on in the registered maps while others are
 * prepared.
 */
static bool is_shared(const struct maps *one, const struct maps *other)
{
	return one && (one->flows[IPV4] == other->flows[IPV4] ||
		       one->flows[IPV6] == other->flows[IPV6] ||
		       one->control == other->control);
}

/* Takes all maps off the text. ivb_maps_free() puts those that were taken. */
static int take_all(struct director *director, char *rest, struct maps *maps)
{
	const struct {
		const struct shape *shape;
		struct bpf_map **map;
	} wanted[] = {
		{ &flows4_shape, &maps->flows[IPV4] },
		{ &flows6_shape, &maps->flows[IPV6] },
		{ &control_shape, &maps->control },
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct bpf_map *map = take(director, &rest, wanted[i].shape);

		if (IS_ERR(map))
			return PTR_ERR(map);
		*wanted[i].map = map;
	}
	if (rest)
		return ivb_refuse(director->map_error, -EINVAL, 0,
				  "unexpected \"%.40s\" at the end", rest);
	if (maps->flows[IPV4]->max_entries != maps->flows[IPV6]->max_entries)
		return ivb_refuse(director->map_error, -EINVAL, 0,
				  "flows4 has %u entries and flows6 has %u: they need the same number",
				  maps->flows[IPV4]->max_entries,
				  maps->flows[IPV6]->max_entries);
	return 0;
}

/* Replaces the maps. The counts in the old ones are folded before they are released.
 * maps: NULL for none.
 */
static void exchange(struct director *director, struct maps *maps)
{
	struct maps *old = maps_of(director);

	ivb_leases_drain(director);
	rcu_assign_pointer(director->maps, maps);
	ivb_bond_ports_update(director);
	ivb_leases_revoke(director);
	/* A session that ends looks in the maps that it sees, so none may have a lease
	 * in other maps.
	 */
	synchronize_rcu();
	ivb_leases_allow(director);
	ivb_maps_free(old);
}

int ivb_map_write(struct director *director, char *text)
{
	char *rest = strim(text);
	struct maps *maps;
	int err;

	if (!strcmp(rest, "none")) {
		exchange(director, NULL);
		return 0;
	}
	maps = kvzalloc(sizeof(*maps), GFP_KERNEL_ACCOUNT);
	if (!maps)
		return -ENOMEM;
	err = take_all(director, rest, maps);
	/* Registering the same maps again changes nothing. */
	if (err || is_same(maps_of(director), maps)) {
		ivb_maps_free(maps);
		return err;
	}
	err = is_shared(maps_of(director), maps) ?
		ivb_refuse(director->map_error, -EBUSY, 0,
			   "one of these maps is already registered, with other maps") :
		ivb_flow_table_init(maps);
	if (err) {
		ivb_maps_free(maps);
		return err;
	}
	exchange(director, maps);
	return 0;
}

static void show(struct seq_file *seq, const char *name, struct bpf_map *map)
{
	seq_printf(seq, "%s id %u type %u key %u value %u entries %u\n", name,
		   map->id, map->map_type, map->key_size, map->value_size,
		   map->max_entries);
}

void ivb_map_show(struct director *director, struct seq_file *seq)
{
	struct maps *maps = maps_of(director);

	if (!maps)
		return;
	show(seq, "flows4", maps->flows[IPV4]);
	show(seq, "flows6", maps->flows[IPV6]);
	show(seq, "control", maps->control);
}
